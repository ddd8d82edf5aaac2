// What the words of a slot make of those before them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "engine.h"

namespace {

// In place, not yet divided by the sum, which is returned. There is room for TURN more behind the scores.
inline float softmax(float* scores, int count) {
    constexpr float LOW = -std::numeric_limits<float>::max();
    for (int j = count; j < padded(count, TURN); ++j) scores[j] = LOW;
    Vec most = all(LOW);
    for (int j = 0; j < count; j += WIDE) {
        Vec some = load(scores + j);
        most = some > most ? some : most;
    }
    float highest = most[0];
    for (int lane = 1; lane < WIDE; ++lane) highest = std::max(highest, most[lane]);
    Total total;
    for (int j = 0; j < count; j += TURN)
        for (int v = 0; v < TURN / WIDE; ++v) {
            Vec shifted = load(scores + j + v * WIDE) - highest;
            Vec weight = shifted <= all(-87.0f) ? Vec{} : exp(shifted);  // NaN stays
            store(scores + j + v * WIDE, weight);
            total.parts[v] += weight;
        }
    return total.sum();
}

// What each query makes of each distance, for all rows at once: the distances are the same for all of them.
template <class Store>
void Engine<Store>::measure(const Layer& layer, int rows, int t) {
    int most = 0;
    for (int i = 0; i < rows; ++i) most = std::max(most, window(row_[i].place));
    int first = (distances_ - most) / LANES, groups = distances_ / LANES - first;
    float* queries = scratch_[t]->queries.data();
    for (int head = 0; head < m_.heads; ++head) {
        for (int i = 0; i < rows; ++i) query(i, head, layer.distance_bias, queries + size_t(i) * head_dim_);
        Matrix distances = layer.distance_keys;  // of this head
        distances.weights = static_cast<const Store*>(distances.weights) + size_t(head) * distances_ * key_rows_;
        distances.scales += size_t(head) * distances_;
        share(queries, rows, head_dim_, distances, first + groups * t / team_.size,
              first + groups * (t + 1) / team_.size, *scratch_[t], [&](int row, int column, Vec value) {
                  store(&by_distance_[(size_t(row) * m_.heads + head) * distances_ + column], value);
              });
    }
    team_.barrier();
}

template <class Store>
void Engine<Store>::query(int i, int head, const float* bias, float* to) const {
    const float* q = &qkv_[size_t(i) * padded(columns_, LANES) + size_t(head) * head_dim_];
    float root = 1.0f / std::sqrt(float(head_dim_));
    for (int d = 0; d < head_dim_; ++d) to[d] = q[d] * root + (bias ? bias[size_t(head) * head_dim_ + d] : 0.0f);
}

// A task is what the rows of one slot ask of one head of keys.

template <class Store>
void Engine<Store>::attend(int l, int rows, int t) {
    int tasks = 0;
    for (int first = 0, behind; first < rows; first = behind) {
        for (behind = first + 1; behind < rows && row_[behind].slot == row_[first].slot;) ++behind;
        for (int head = 0; head < m_.kv_heads; ++head, ++tasks)
            if (tasks % team_.size == t) attend(l, first, behind, head, *scratch_[t]);
    }
}

template <class Store>
void Engine<Store>::attend(int l, int first, int behind, int kv_head, Scratch& scratch) {
    size_t cache = (size_t(l) * slots_ + row_[first].slot) * m_.kv_heads + kv_head;
    Store* keys = &keys_[cache * ring_ * key_rows_];
    Store* values = &values_[cache * ring_ * lanes_];
    float *key_scales = &key_scales_[cache * ring_], *value_scales = &value_scales_[cache * ring_];
    size_t key_group = size_t(key_rows_) * LANES, value_group = size_t(ring_) * LANES;
    int wide = padded(columns_, LANES);
    for (int i = first; i < behind; ++i) {
        int at = row_[i].place % ring_;
        const float* key = &qkv_[size_t(i) * wide + m_.dim + size_t(kv_head) * head_dim_];
        const float* value = key + size_t(m_.kv_heads) * head_dim_;
        key_scales[at] =
            pack(key, [&](int d) { return keys + at / LANES * key_group + Packed<Store>::at(d, at % LANES); });
        value_scales[at] =
            pack(value, [&](int d) { return values + d / LANES * value_group + Packed<Store>::at(at, d % LANES); });
    }
    for (int i = first; i < behind; ++i) attend_one(l, i, kv_head, keys, values, key_scales, value_scales, scratch);
}

template <class Store>
void Engine<Store>::attend_one(int l, int i, int kv_head, const Store* keys, const Store* values,
                               const float* key_scales, const float* value_scales, Scratch& scratch) {
    const Layer& layer = m_.layer[l];
    int place = row_[i].place, count = window(place), oldest = place - count + 1, space = m_.window + TURN;
    Stretches where{{oldest % ring_, 0}, {0, 0}, count}, each = Stretches::whole(head_dim_);
    where.length[0] = std::min(count, ring_ - where.begin[0]), where.length[1] = count - where.length[0];

    for (int h = 0; h < group_; ++h)
        query(i, kv_head * group_ + h, layer.content_bias, &scratch.queries[size_t(h) * head_dim_]);
    scratch.operand.set(scratch.queries.data(), group_, head_dim_, each);
    for (int s = 0; s < 2 && where.length[s]; ++s)
        for (int g = where.begin[s] / LANES; g <= (where.end(s) - 1) / LANES; ++g)
            multiply(scratch.operand, group_, each, keys + size_t(g) * key_rows_ * LANES,
                     [&](int h, const Vec(&sums)[VECS]) {
                         float* to = &scratch.by_key[size_t(h) * ring_ + g * LANES];
                         for (int v = 0; v < VECS; ++v) store(to + v * WIDE, sums[v]);
                     });
    int farthest = distances_ - count;  // distances are kept farthest first, the last column is distance 0
    bool by_distance = layer.distance_keys.weights != nullptr;
    float totals[HEADS];
    for (int h = 0; h < group_; ++h) {
        float* scores = &scratch.scores[size_t(h) * space];
        float slope = m_.slopes[kv_head * group_ + h];
        for (int s = 0, o = 0; s < 2; o += where.length[s], ++s) {
            const float* content = &scratch.by_key[size_t(h) * ring_ + where.begin[s]];
            const float* scale = key_scales + where.begin[s];
            const float* distance =
                &by_distance_[(size_t(i) * m_.heads + kv_head * group_ + h) * distances_ + farthest + o];
            if (by_distance)
                for (int j = 0; j < where.length[s]; ++j)
                    scores[o + j] = content[j] * scale[j] + distance[j] - slope * float(count - 1 - o - j);
            else
                for (int j = 0; j < where.length[s]; ++j)
                    scores[o + j] = content[j] * scale[j] - slope * float(count - 1 - o - j);
        }
        totals[h] = softmax(scores, count);
        for (int s = 0, o = 0; s < 2; o += where.length[s], ++s) {  // back to where their values are
            float* weights = &scratch.by_key[size_t(h) * ring_ + where.begin[s]];
            const float* scale = value_scales + where.begin[s];
            for (int j = 0; j < where.length[s]; ++j) weights[j] = scores[o + j] * scale[j];
        }
    }
    scratch.operand.set(scratch.by_key.data(), group_, ring_, where);
    for (int g = 0; g < lanes_ / LANES; ++g)
        multiply(scratch.operand, group_, where, values + size_t(g) * ring_ * LANES,
                 [&](int h, const Vec(&sums)[VECS]) {
                     float* to = &mixed_[size_t(i) * m_.dim + size_t(kv_head * group_ + h) * head_dim_ + g * LANES];
                     for (int d = 0; d < std::min(LANES, head_dim_ - g * LANES); ++d)
                         to[d] = sums[d / WIDE][d % WIDE] / totals[h];
                 });
}

}  // namespace

// All that a step does: embed, attend, feed, draw.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "kernels.h"
#include "past.h"
#include "team.h"

namespace {

template <class Store>
class Engine {
  public:
    Engine(const Model& model, const Settings& settings, int slots, int chunk, int threads)
        : m_(model), set_(settings), team_(threads), slots_(slots), rows_(std::max(slots, chunk)) {
        head_dim_ = m_.dim / m_.heads;
        group_ = m_.heads / m_.kv_heads;
        lanes_ = padded(head_dim_, LANES);
        ring_ = padded(m_.window + chunk - 1, LANES);
        distances_ = padded(m_.window, LANES);
        columns_ = m_.dim + 2 * m_.kv_heads * head_dim_;
        size_t caches = size_t(m_.layers) * slots * m_.kv_heads;
        key_rows_ = padded(head_dim_, Packed<Store>::FOLD);
        keys_.assign(caches * ring_ * key_rows_, 0);
        values_.assign(caches * ring_ * lanes_, 0);
        key_scales_.assign(caches * ring_, 0);
        value_scales_.assign(caches * ring_, 0);
        int feed = m_.layer[0].up.outputs;
        x_.resize(size_t(rows_) * m_.dim);
        qkv_.resize(size_t(rows_) * padded(columns_, LANES));
        mixed_.resize(size_t(rows_) * m_.dim);
        feed_.resize(size_t(rows_) * feed);
        if (m_.layer[0].distance_keys.weights) by_distance_.resize(size_t(rows_) * m_.heads * distances_);
        context_.resize(size_t(slots) * m_.dim);
        staged_.resize(size_t(slots) * m_.mix.outputs);
        for (int t = 0; t < threads; ++t) scratch_.emplace_back(new Scratch(*this));
        slot_.resize(slots);
        for (auto& slot : slot_) slot.past.clear(m_.farthest);
        row_.resize(rows_);
    }

    // Some words of a slot, and what is told with them. They join the cache; nothing is drawn.
    void read(int slot, int count, const int32_t* words, const int32_t* anchors, const int32_t* segments, bool first) {
        Past& past = slot_[slot].past;
        if (first) past.clear(m_.farthest);
        past.reserve(count);
        int before = int(past.keys.size());
        for (int i = 0; i < count; ++i)
            row_[i] = Row{slot, before + i, segments[i], words + i * ATTRIBUTES, anchors + i * FIELDS, {}};
        team_.run([&](int t) { forward(count, t); }, false);
    }

    // The word that the slot's next step goes on from, a bar word.
    void go(int slot, const int32_t* word) { advance(slot_[slot], word); }

    // One word for each of some slots. drawn: how many words each has drawn before   nats: NaN, and no word, where the
    // model gives no numbers to draw by
    void step(int count, const int32_t* slots, const int32_t* drawn, int32_t* words, float* nats) {
        for (int i = 0; i < count; ++i) {
            Slot& s = slot_[slots[i]];
            s.past.reserve(1);
            const int32_t* anchors = set_.anchors + slots[i] * FIELDS;
            row_[i] = Row{slots[i], int32_t(s.past.keys.size()), set_.segment[slots[i]], s.word, anchors, {}};
        }
        team_.run([&](int t) {
            forward(count, t);
            for (int i = t; i < count; i += team_.size)
                norm(&x_[size_t(i) * m_.dim], m_.norm, &context_[size_t(i) * m_.dim]);
            team_.barrier();
            linear(context_.data(), count, m_.dim, m_.mix, t, [&](int row, int column, Vec value) {
                store(&staged_[size_t(row) * m_.mix.outputs + column], value);
            });
            team_.barrier();
            for (int i = t; i < count; i += team_.size) {
                int32_t* word = words + i * ATTRIBUTES;
                nats[i] = draw(i, drawn[i], word, *scratch_[t]);
                if (!std::isnan(nats[i])) advance(slot_[slots[i]], word);
            }
        }, true);
    }

  private:
    struct Scratch {
        std::vector<float> normed, scores, by_key, queries, logits, hidden, gates;
        std::vector<Candidate> candidates;
        typename Packed<Store>::Operand operand;
        explicit Scratch(const Engine& e) {
            normed.resize(size_t(e.rows_) * e.m_.dim);
            scores.resize(size_t(e.group_) * (e.m_.window + TURN));
            by_key.resize(size_t(e.group_) * e.ring_);
            queries.resize(size_t(std::max(e.rows_, e.group_)) * e.head_dim_);
            hidden.resize(e.m_.dim);
            int widest = 0, most = LANES;
            for (int s = 0; s < e.m_.stages; ++s) {
                widest = std::max(widest, int(e.m_.stage[s].heads.outputs));
                if (e.m_.stage[s].gates.weights) most = std::max(most, int(e.m_.stage[s].gates.outputs));
            }
            logits.resize(widest + WIDE);
            gates.resize(most);
            candidates.reserve(*std::max_element(e.m_.sizes, e.m_.sizes + ATTRIBUTES));
            operand.reserve(std::max(e.rows_, e.group_), std::max(e.m_.dim, e.m_.layer[0].up.outputs));
            operand.reserve(e.group_, e.ring_);
        }
    };

    // -------- parts

    void norm(const float* x, const float* weight, float* to) const {
        Total squares;
        int i = 0;
        for (; i + TURN <= m_.dim; i += TURN)
            for (int v = 0; v < TURN / WIDE; ++v) {
                Vec some = load(x + i + v * WIDE);
                squares.parts[v] += some * some;
            }
        float total = squares.sum();
        for (; i < m_.dim; ++i) total += x[i] * x[i];
        float scale = 1.0f / std::sqrt(total / float(m_.dim) + m_.norm_epsilon);
        for (i = 0; i < m_.dim; ++i) to[i] = x[i] * scale * weight[i];
    }

    // This thread's share of the columns: take(row, column, WIDE values from there on).
    template <class Take>
    void linear(const float* x, int rows, int stride, const Matrix& matrix, int t, Take take) {
        int groups = matrix.outputs / LANES;
        share(x, rows, stride, matrix, groups * t / team_.size, groups * (t + 1) / team_.size, *scratch_[t], take);
    }

    template <class Take>
    void share(const float* x, int rows, int stride, const Matrix& matrix, int first, int behind, Scratch& scratch,
               Take take) {
        if (first == behind) return;
        auto inputs = Stretches::whole(matrix.inputs);
        size_t size = size_t(padded(matrix.inputs, Packed<Store>::FOLD)) * LANES;
        scratch.operand.set(x, rows, stride, inputs);
        for (int g = first; g < behind; ++g) {
            multiply(scratch.operand, rows, inputs, static_cast<const Store*>(matrix.weights) + g * size,
                     [&](int row, const Vec(&sums)[VECS]) {
                         for (int v = 0; v < VECS; ++v) {
                             int column = g * LANES + v * WIDE;
                             take(row, column, sums[v] * load(matrix.scales + column) + load(matrix.bias + column));
                         }
                     });
        }
    }

    // Keys or values of a row into the cache, place(d) for each. Returns their scale.
    template <class Place>
    float pack(const float* from, Place place) const {
        if constexpr (std::is_same_v<Store, float>) {
            for (int d = 0; d < head_dim_; ++d) *place(d) = from[d];
            return 1.0f;
        } else {
            float most = 0;
            for (int d = 0; d < head_dim_; ++d)
                if (float size = std::fabs(from[d]); size > most || std::isnan(size)) most = size;
            bool finite = std::isfinite(most);  // if not, the scale says so: int8 would hide it
            float inverse = finite ? inverse_of(most, 127.0f) : 0.0f;
            for (int d = 0; d < head_dim_; ++d) *place(d) = finite ? int8_t(std::lrintf(from[d] * inverse)) : int8_t(0);
            return finite ? most / 127.0f : std::numeric_limits<float>::quiet_NaN();
        }
    }

    // -------- words -> the model's view of them, in x_

    void forward(int rows, int t) {
        for (int i = 0; i < rows; ++i)
            if (row_[i].slot % team_.size == t) embed(row_[i], &x_[size_t(i) * m_.dim]);
        team_.barrier();
        int dim = m_.dim, wide = padded(columns_, LANES);
        for (int l = 0; l < m_.layers; ++l) {
            const Layer& layer = m_.layer[l];
            float* normed = scratch_[t]->normed.data();
            for (int i = 0; i < rows; ++i) norm(&x_[size_t(i) * dim], layer.attention_norm, normed + size_t(i) * dim);
            linear(normed, rows, dim, layer.queries_keys_values, t,
                   [&](int row, int column, Vec value) { store(&qkv_[size_t(row) * wide + column], value); });
            team_.barrier();
            if (layer.distance_keys.weights) measure(layer, rows, t);
            attend(l, rows, t);
            team_.barrier();
            auto add = [&](int row, int column, Vec value) {
                float* to = &x_[size_t(row) * dim + column];
                if (column + WIDE <= dim) store(to, load(to) + value);
                else for (int i = 0; column + i < dim; ++i) to[i] += value[i];
            };
            linear(mixed_.data(), rows, dim, layer.out, t, add);
            team_.barrier();
            for (int i = 0; i < rows; ++i) norm(&x_[size_t(i) * dim], layer.feed_norm, normed + size_t(i) * dim);
            int feed = layer.up.outputs;
            linear(normed, rows, dim, layer.up, t, [&](int row, int column, Vec value) {
                Vec kept = value < Vec{} ? Vec{} : value;  // NaN stays
                store(&feed_[size_t(row) * feed + column], kept * kept);
            });
            team_.barrier();
            linear(feed_.data(), rows, feed, layer.down, t, add);
            team_.barrier();
        }
    }

    void embed(Row& row, float* x) {
        auto add = [&](const float* vector) { for (int i = 0; i < m_.dim; ++i) x[i] += vector[i]; };
        std::copy(m_.bias, m_.bias + m_.dim, x);
        for (int a = 0; a < ATTRIBUTES; ++a)
            if (m_.embeddings[a]) add(m_.embeddings[a] + size_t(row.word[a]) * m_.dim);
        for (int f = 0; f < FIELDS; ++f)
            if (m_.anchors[f]) add(m_.anchors[f] + size_t(row.anchors[f]) * m_.dim);
        if (m_.segments) add(m_.segments + size_t(row.segment) * m_.dim);
        Past& past = slot_[row.slot].past;
        static constexpr int32_t NOTHING[ATTRIBUTES] = {};
        remember(past, row.segment == GIVEN ? NOTHING : row.word);
        if (m_.hints == 0) return;

        int total = 0;
        for (int a = 0; a < ATTRIBUTES; ++a) total += m_.sizes[a];
        auto tell = [&](int hint, Follower found) {
            row.hinted[hint] = found.index;
            if (found.index >= 0) {
                const float* table = m_.hint_words + size_t(hint) * total * m_.dim;
                for (int a = 0; a < ATTRIBUTES; ++a) {
                    if (!m_.sizes[a]) continue;
                    add(table + size_t(past.full[size_t(found.index) * ATTRIBUTES + a]) * m_.dim);
                    table += size_t(m_.sizes[a]) * m_.dim;
                }
            }
            if (found.same) add(m_.hint_same + size_t(hint) * m_.dim);
        };
        for (int h = 0; h < m_.lags; ++h) tell(h, follower(past, m_.lag_bars[h]));
        if (m_.farthest == 0) return;
        Follower found{-1, false};
        int best = -1, count = -1;
        uint64_t same = 0;
        Follower there[FARTHEST];
        for (int b = 0; b < m_.farthest; ++b) {
            there[b] = follower(past, b + 1);
            same |= uint64_t(there[b].same) << b;
        }
        past.same.push_back(same);
        int last = int(past.same.size()) - 1;
        uint64_t gone = last >= set_.alike_words ? past.same[last - set_.alike_words] : 0;
        for (int b = 0; b < m_.farthest; ++b) {
            past.alike[b] += int((same >> b) & 1) - int((gone >> b) & 1);
            int heard = there[b].index >= 0 ? past.alike[b] : -1;
            if (heard > count) count = heard, best = b;
        }
        if (best >= 0) found = there[best];
        if (count <= 0) found.index = -1;
        tell(m_.lags, found);
        add(m_.hint_alike + size_t(std::max(count, 0)) * m_.dim);
        add(m_.hint_distance + size_t(count > 0 ? best + 1 : 0) * m_.dim);
    }

    void remember(Past& past, const int32_t* word) const {
        bool opens = word[FAMILY] == BAR || word[FAMILY] == END, metrical = word[FAMILY] == METRICAL;
        past.bar += opens;
        if (opens || metrical) past.position = word[POSITION], past.chord = word[CHORD];
        int64_t key = past.bar * set_.places_per_bar + int64_t(past.position) * set_.places_per_position;
        if (word[FAMILY] == NOTE) key += (1 + word[ROLE]) * set_.places_per_role - word[PITCH];
        if (!past.keys.empty()) key = std::max(key, past.keys.back());
        past.keys.push_back(key);
        past.words.insert(past.words.end(), word, word + ATTRIBUTES);
        past.full.insert(past.full.end(), word, word + ATTRIBUTES);
        int32_t* full = &past.full[past.full.size() - ATTRIBUTES];
        full[POSITION] = past.position, full[CHORD] = past.chord;
    }

    Follower follower(const Past& past, int bars) const {
        int64_t wanted = past.keys.back() - int64_t(bars) * set_.places_per_bar;
        int last = int(past.keys.size()) - 1, reach = std::max(0, last - m_.memory);
        auto begin = past.keys.begin();
        int index = int(std::upper_bound(begin + reach, past.keys.end(), wanted) - begin);
        if (index == 0 || last - index >= m_.memory) return {-1, false};
        if (past.words[size_t(index - 1) * ATTRIBUTES + FAMILY] == IGNORE) return {-1, false};  // it was given
        return {index, past.keys[index - 1] == wanted};
    }

    // -------- attention.h

    int window(int place) const { return std::min(place + 1, int(m_.window)); }

    void measure(const Layer& layer, int rows, int t);
    void query(int i, int head, const float* bias, float* to) const;
    void attend(int l, int rows, int t);
    void attend(int l, int first, int behind, int kv_head, Scratch& scratch);
    void attend_one(int l, int i, int kv_head, const Store* keys, const Store* values, const float* key_scales,
                    const float* value_scales, Scratch& scratch);

    // -------- draw.h

    int last_role() const { return std::max(0, m_.sizes[ROLE] - 1); }

    float draw(int i, int drawn, int32_t* word, Scratch& scratch);
    void gelu(float* hidden, const float* context) const;
    void copy(int i, const Stage& stage, const int32_t* word, Scratch& scratch);
    float draw_family(int slot, const float* logits, float uniform, int32_t* word, Scratch& scratch);
    bool may_play(int slot, int role) const;
    float draw_one(int slot, int a, const float* logits, float uniform, int32_t* word, Scratch& scratch);
    template <class Pulled>
    float choose(int slot, int a, float uniform, int32_t* word, Scratch& scratch, Pulled pulled);

    void advance(Slot& s, const int32_t* word) const {
        std::copy(word, word + ATTRIBUTES, s.word);
        switch (word[FAMILY]) {
            case BAR: s.position = s.pitch = 0, s.role = last_role() + 1; break;
            case METRICAL: s.position = word[POSITION], s.role = 0, s.pitch = m_.sizes[PITCH]; break;
            case NOTE: s.role = word[ROLE], s.pitch = word[PITCH]; break;
        }
    }

    const Model& m_;
    const Settings& set_;
    Team team_;
    int slots_, rows_, head_dim_, group_, key_rows_, lanes_, ring_, distances_, columns_;
    // Of each layer, slot and head: packed (head_dim, ring) and (ring, head_dim).
    std::vector<Store, InLargePages<Store>> keys_, values_;
    std::vector<float> key_scales_, value_scales_;
    std::vector<float> x_, qkv_, by_distance_, mixed_, feed_, context_, staged_;
    std::vector<std::unique_ptr<Scratch>> scratch_;  // one a thread
    std::vector<Slot> slot_;
    std::vector<Row> row_;
};

}  // namespace

// The draw: one row, stage by stage.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "engine.h"

namespace {

inline bool used(const Stage& stage, int family) {
    return std::any_of(stage.names, stage.names + stage.name_count, [&](int a) { return FAMILY_OF[a] == family; });
}

template <class Store>
float Engine<Store>::draw(int i, int drawn, int32_t* word, Scratch& scratch) {
    int slot = row_[i].slot, dim = m_.dim;
    const float* context = &context_[size_t(i) * dim];
    const float* uniform = set_.noise + (size_t(slot) * set_.noise_words + drawn % set_.noise_words) * ATTRIBUTES;
    std::fill(word, word + ATTRIBUTES, 0);
    float nats = 0;
    for (int s = 0; s < m_.stages; ++s) {
        const Stage& stage = m_.stage[s];
        if (s > 0 && !used(stage, word[FAMILY])) continue;
        float* hidden = scratch.hidden.data();
        const float* mixed = &staged_[size_t(i) * m_.mix.outputs + size_t(s) * dim];
        std::copy(mixed, mixed + dim, hidden);
        for (int a = 0; a < ATTRIBUTES; ++a)
            if (stage.given[a])
                for (int d = 0; d < dim; ++d) hidden[d] += stage.given[a][size_t(word[a]) * dim + d];
        gelu(hidden, context);
        norm(hidden, stage.norm, hidden);
        share(hidden, 1, dim, stage.heads, 0, stage.heads.outputs / LANES, scratch,
              [&](int, int column, Vec value) { store(&scratch.logits[column], value); });
        if (stage.gates.weights && !set_.warmed[slot]) copy(i, stage, word, scratch);
        float* logits = scratch.logits.data();
        for (int n = 0; n < stage.name_count; ++n) {
            int a = stage.names[n];
            if (a == FAMILY) nats += draw_family(slot, logits, uniform[a], word, scratch);
            else if (FAMILY_OF[a] == word[FAMILY]) nats += draw_one(slot, a, logits, uniform[a], word, scratch);
            if (std::isnan(nats)) return nats;
            logits += m_.sizes[a];
        }
    }
    return nats;
}

// hidden = context + gelu(hidden), by its usual tanh
template <class Store>
void Engine<Store>::gelu(float* hidden, const float* context) const {
    auto part = [&](Vec x) {
        Vec y = 0.7978845608028654f * (x + 0.044715f * x * x * x);
        Vec doubled = 2.0f * y;
        doubled = doubled > all(80.0f) ? all(80.0f) : doubled;
        return 0.5f * x * (2.0f - 2.0f / (exp(doubled) + 1.0f));
    };
    int d = 0;
    for (; d + WIDE <= m_.dim; d += WIDE) store(hidden + d, load(context + d) + part(load(hidden + d)));
    for (; d < m_.dim; ++d) hidden[d] = context[d] + part(all(hidden[d]))[0];
}

// Raise the logits of what past bars hint at (composer.engine.returns.Copying).
template <class Store>
void Engine<Store>::copy(int i, const Stage& stage, const int32_t* word, Scratch& scratch) {
    share(scratch.hidden.data(), 1, m_.dim, stage.gates, 0, stage.gates.outputs / LANES, scratch,
          [&](int, int column, Vec value) { store(&scratch.gates[column], value); });
    const Past& past = slot_[row_[i].slot].past;
    float trust = set_.trust[row_[i].slot];
    float* logits = scratch.logits.data();
    for (int n = 0; n < stage.name_count; ++n) {
        int a = stage.names[n];
        float raised[HINTS];
        int32_t ids[HINTS];
        int hints = 0;
        for (int h = 0; h < m_.hints; ++h) {
            if (row_[i].hinted[h] < 0) continue;
            const int32_t* hint = &past.words[size_t(row_[i].hinted[h]) * ATTRIBUTES];
            bool heard = hint[a] != 0;
            for (int earlier : {FAMILY, POSITION, ROLE, PITCH})
                if (stage.given[earlier]) heard = heard && hint[earlier] == word[earlier];
            if (heard) ids[hints] = hint[a], raised[hints++] = trust * scratch.gates[n * m_.hints + h];
        }
        for (int h = 0; h < hints; ++h) {  // the most certain of those that agree, once
            float most = 0;
            bool first = true;
            for (int other = 0; other < hints; ++other) {
                if (ids[other] != ids[h]) continue;
                first = first && other >= h;
                most = std::max(most, raised[other]);
            }
            if (first) logits[ids[h]] += most;
        }
        logits += m_.sizes[a];
    }
}

template <class Store>
float Engine<Store>::draw_family(int slot, const float* logits, float uniform, int32_t* word, Scratch& scratch) {
    const Slot& s = slot_[slot];
    float apart = std::fabs(logits[BAR] - logits[END]);  // NaN if one of them is
    float over = std::max(logits[BAR], logits[END]) + std::log1p(std::exp(-apart));
    float pull = set_.pulls[slot * PULLS + NOTES_PULL];
    scratch.candidates.clear();
    auto may = [&](int family, float logit) { scratch.candidates.push_back({logit, 0, family}); };
    bool playing = false;
    for (int role = 0; role <= last_role(); ++role) playing = playing || may_play(slot, role);
    if (!set_.last[slot]) may(BAR, over);
    if (s.position < set_.length[slot]) may(METRICAL, logits[METRICAL]);
    if (playing) may(NOTE, logits[NOTE]);
    if (set_.last[slot]) may(END, over);
    return choose(slot, FAMILY, uniform, word, scratch, [&](int id) { return id == NOTE ? -pull : 0.0f; });
}

// Whether the next note may be of the role: a later one than the last note's, or its own, below it.
template <class Store>
bool Engine<Store>::may_play(int slot, int role) const {
    const Slot& s = slot_[slot];
    return (set_.roles[slot] >> role & 1) && (role > s.role || (role == s.role && s.pitch > 1));
}

template <class Store>
float Engine<Store>::draw_one(int slot, int a, const float* logits, float uniform, int32_t* word, Scratch& scratch) {
    const Slot& s = slot_[slot];
    const float* pull = set_.pulls + slot * PULLS;
    int first = 1, last = m_.sizes[a] - 1, asked = 0;
    if (a == POSITION) first = s.position + 1, last = set_.length[slot];
    if (a == PITCH && word[ROLE] == s.role) last = s.pitch - 1;
    if (a == METER) asked = set_.following[slot];
    if (a == CHORD) asked = set_.chords[size_t(slot) * m_.sizes[POSITION] + word[POSITION]];
    if (asked) first = last = asked;
    scratch.candidates.clear();
    for (int id = first; id <= last; ++id)
        if (a != ROLE || may_play(slot, id)) scratch.candidates.push_back({logits[id], 0, id});
    return choose(slot, a, uniform, word, scratch, [&](int id) {
        if (a == POSITION) return pull[SPREAD_PULL] * float(std::min(id - s.position, set_.farthest_spread));
        if (a == VELOCITY) return pull[LOUDNESS_PULL] * float(id);
        if (a == PITCH) return pull[REGISTER_PULL] * float(id);
        return 0.0f;
    });
}

// Nucleus sampling of scratch.candidates. Returns the nats of the one that is drawn, neither pulled nor warmed; NaN,
// and nothing is drawn, where there is none or not all are numbers.
template <class Store>
template <class Pulled>
float Engine<Store>::choose(int slot, int a, float uniform, int32_t* word, Scratch& scratch, Pulled pulled) {
    constexpr float NOTHING = std::numeric_limits<float>::quiet_NaN();
    auto& some = scratch.candidates;
    if (some.empty()) return NOTHING;
    float highest = some[0].logit;
    double everything = 0;
    for (auto& one : some) highest = std::max(highest, one.logit);
    for (auto& one : some) everything += std::exp(double(one.logit) - highest);

    float set = set_.temperature[slot * ATTRIBUTES + a], top_p = set_.top_p[slot * ATTRIBUTES + a];
    if (a == PITCH && set_.warmed[slot]) set = std::clamp(set_.warmer * set, set_.least_warm, set_.most_warm);
    float temperature = std::max(set, set_.coldest), top = -std::numeric_limits<float>::infinity(), total = 0;
    for (auto& one : some) top = std::max(top, one.weight = (one.logit + pulled(one.id)) / temperature);
    for (auto& one : some) total += one.weight = std::exp(one.weight - top);
    if (!std::isfinite(everything) || !std::isfinite(total)) return NOTHING;
    std::sort(some.begin(), some.end(), [](const Candidate& one, const Candidate& other) {
        return one.weight != other.weight ? one.weight > other.weight : one.id < other.id;
    });
    float reach = (set > 0 ? top_p : 0.0f) * total, kept = 0, reached = 0;
    size_t behind = 0, at = 0;
    for (; behind < some.size() && (behind == 0 || kept < reach); ++behind) kept += some[behind].weight;
    for (; at + 1 < behind; ++at)
        if ((reached += some[at].weight) > uniform * kept) break;
    word[a] = some[at].id;
    return float(std::log(everything) - (double(some[at].logit) - highest));
}

}  // namespace

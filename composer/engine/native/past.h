// What a slot remembers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "layout.h"

namespace {

// The words so far, and their places (composer.engine.returns): what stood where so many bars ago.
struct Past {
    std::vector<int32_t> words;    // (count, ATTRIBUTES)
    std::vector<int32_t> full;     // the same, with the position and chord in force
    std::vector<int64_t> keys;     // (count,), rising
    std::vector<uint64_t> same;    // (count,), a bit for each bar back: the word at the same place came before
    std::vector<int32_t> alike;    // (farthest,): how many of the last words came alike
    int64_t bar = 0;
    int32_t position = 0, chord = 0;
    size_t room = 0;               // of words

    // Room for so many words more: then to remember them takes no memory, and cannot fail.
    void reserve(int more) {
        size_t needed = keys.size() + more;
        if (needed <= room) return;
        needed = std::max(needed, 2 * room);
        words.reserve(needed * ATTRIBUTES), full.reserve(needed * ATTRIBUTES), keys.reserve(needed), same.reserve(needed);
        room = needed;
    }

    void clear(int farthest) {
        words.clear(), full.clear(), keys.clear(), same.clear();
        alike.assign(farthest, 0);
        bar = position = chord = 0;
    }
};

struct Follower {
    int32_t index;  // of the word that followed the place, -1 where there is none
    bool same;      // a word stood at the very place
};

struct Slot {
    Past past;
    int32_t word[ATTRIBUTES];                   // the last one, which the next step reads
    int32_t position = 0, role = 0, pitch = 0;  // as in composer.engine.grammar
};

struct Candidate {
    float logit, weight;
    int32_t id;
};

struct Row {
    int32_t slot, place, segment;  // place: index of the word in its slot
    const int32_t *word, *anchors;
    int32_t hinted[HINTS];   // (hints,): index of each hinted word in the slot's past, -1 where there is none
};

}  // namespace

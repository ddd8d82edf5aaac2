// The step of composer.engine.model on a CPU, whole, behind the plain C interface that stands here: `Engine` (engine.h,
// attention.h, draw.h) does it, with a `Team` of threads, by the vectors and the one inner loop of kernels.h.
//
// What bounds a step is the bytes of weights and cache that it reads, so both are kept in int8 with a scale for each
// column (Store = int8_t). What they are multiplied with becomes int16, with a scale for each row, and their products are
// added up in int32 without any rounding; Store = float keeps everything whole, for whoever wants the model's own
// arithmetic, and for the tests. Every row (a word of a slot) is computed in an order of its own: how many other rows
// there are, or how many threads, changes not one bit of it. On x86-64 with FMA the vector width does not either.
//
// All matrices are packed the same way, weights, keys and values alike: groups of LANES columns, in each the rows one
// after the other (of int8, four at a time). So one inner loop, `Sums::add`, does all of the multiplying.

#include <cstdint>
#include <iterator>
#include <memory>
#include <new>

#include "attention.h"
#include "draw.h"
#include "engine.h"
#include "layout.h"

namespace {

struct Handle {
    std::unique_ptr<Engine<int8_t>> small;
    std::unique_ptr<Engine<float>> whole;
};

// An exception of C++ must not reach whoever calls the functions below.
template <class Act>
int outcome(const Act& act) noexcept {
    try {
        act();
        return DONE;
    } catch (const std::bad_alloc&) {
        return NO_MEMORY;
    } catch (...) {
        return BROKEN;
    }
}

// act(engine) with whichever engine the handle holds.
template <class Act>
int with(void* handle, const Act& act) noexcept {
    auto h = static_cast<Handle*>(handle);
    return outcome([&] { h->whole ? act(*h->whole) : act(*h->small); });
}

}  // namespace

extern "C" {

int segue_layout(const Named** layout) {
    *layout = LAYOUT;
    return std::size(LAYOUT);
}

int segue_open(const Model* model, const Settings* settings, int slots, int chunk, int threads, int whole,
               void** opened) {
    return outcome([&] {
        auto handle = std::make_unique<Handle>();
        if (whole) handle->whole.reset(new Engine<float>(*model, *settings, slots, chunk, threads));
        else handle->small.reset(new Engine<int8_t>(*model, *settings, slots, chunk, threads));
        *opened = handle.release();
    });
}

void segue_close(void* handle) { delete static_cast<Handle*>(handle); }

int segue_read(void* handle, int slot, int count, const int32_t* words, const int32_t* anchors,
               const int32_t* segments, int first) {
    return with(handle, [&](auto& engine) { engine.read(slot, count, words, anchors, segments, first); });
}

int segue_go(void* handle, int slot, const int32_t* word) {
    return with(handle, [&](auto& engine) { engine.go(slot, word); });
}

int segue_step(void* handle, int count, const int32_t* slots, const int32_t* drawn, int32_t* words, float* nats) {
    return with(handle, [&](auto& engine) { engine.step(count, slots, drawn, words, nats); });
}

}  // extern "C"

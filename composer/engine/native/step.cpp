// The step of composer.engine.model on a CPU, whole: embed, attend, feed, draw. Behind a plain C interface (at the end).
//
// What bounds a step is the bytes of weights and cache that it reads, so both are kept in int8 with a scale for each
// column (Store = int8_t). What they are multiplied with becomes int16, with a scale for each row, and their products are
// added up in int32 without any rounding; Store = float keeps everything whole, for whoever wants the model's own
// arithmetic, and for the tests. Every row (a word of a slot) is computed in an order of its own: how many other rows
// there are, or how many threads, changes not one bit of it. On x86-64 with FMA the vector width does not either.
//
// All matrices are packed the same way, weights, keys and values alike: groups of LANES columns, in each the rows one
// after the other (of int8, four at a time). So one inner loop, `Sums::add`, does all of the multiplying.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

constexpr int LANES = 64;  // columns of a group: one cache line of int8
constexpr int ATTRIBUTES = 9, FIELDS = 7, PULLS = 4;
constexpr int FARTHEST = 64, HINTS = 16, HEADS = 64;  // at most: bars back, hints a word, heads of a group
enum Attribute { FAMILY, POSITION, PITCH, VELOCITY, DURATION, CHORD, TEMPO, METER, ROLE };
enum Family { NONE, BAR, METRICAL, NOTE, END };
enum Segment { HEARD, GIVEN, DRAWN, BEHIND };
constexpr int FAMILY_OF[ATTRIBUTES] = {NONE, METRICAL, NOTE, NOTE, NOTE, METRICAL, METRICAL, BAR, NOTE};
enum PullOf { NOTES_PULL, SPREAD_PULL, LOUDNESS_PULL, REGISTER_PULL };

#if defined(__AVX512F__)
constexpr int WIDE = 16, REGISTERS = 32;
#else
constexpr int WIDE = 8, REGISTERS = 16;
#endif
constexpr int VECS = LANES / WIDE;
constexpr int AHEAD = 64 * LANES;  // what is read next is asked for before it is needed: one row cannot wait for memory
constexpr int TURN = 16;  // a total over many numbers is made of so many, each of every so-manieth, whatever WIDE is

typedef float Vec __attribute__((vector_size(4 * WIDE)));
typedef float LooseVec __attribute__((vector_size(4 * WIDE), aligned(4)));
typedef int32_t IntVec __attribute__((vector_size(4 * WIDE)));
typedef int16_t ShortVec __attribute__((vector_size(4 * WIDE)));

inline Vec load(const float* from) { return *reinterpret_cast<const LooseVec*>(from); }
inline void store(float* to, Vec value) { *reinterpret_cast<LooseVec*>(to) = value; }
inline Vec all(float value) { return value - Vec{}; }

// sum + a[2i] * b[2i] + a[2i + 1] * b[2i + 1] of int16, in int32. Compilers do not find the instructions by themselves.
inline IntVec dot(IntVec sum, ShortVec a, IntVec b) {
#if defined(__AVX512VNNI__)
    return IntVec(_mm512_dpwssd_epi32(__m512i(sum), __m512i(a), __m512i(b)));
#elif defined(__AVX512BW__)
    return sum + IntVec(_mm512_madd_epi16(__m512i(a), __m512i(b)));
#elif defined(__AVX2__)
    return sum + IntVec(_mm256_madd_epi16(__m256i(a), __m256i(b)));
#else
    IntVec both = reinterpret_cast<IntVec>(a);
    return sum + ((both << 16) >> 16) * ((b << 16) >> 16) + (both >> 16) * (b >> 16);
#endif
}

// The window of a cache or a whole row of numbers: one stretch or two, `count` in all.
struct Stretches {
    int begin[2], length[2], count;
    int end(int s) const { return begin[s] + length[s]; }
    static Stretches whole(int count) { return {{0, 0}, {count, 0}, count}; }
};

// e^x for x <= 88, to 2 units in the last place; 0 far below. Cephes' polynomial.
inline Vec exp(Vec x) {
    x = x < all(-87.0f) ? all(-87.0f) : x;
    Vec scaled = x * 1.44269504088896341f;
    IntVec whole = __builtin_convertvector(scaled + (scaled < Vec{} ? all(-0.5f) : all(0.5f)), IntVec);
    Vec n = __builtin_convertvector(whole, Vec);
    Vec f = x - n * 0.693359375f + n * 2.12194440e-4f;
    Vec p = all(1.9875691500e-4f);
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * f * f + f + 1.0f;
    return p * reinterpret_cast<Vec>((whole + 127) << 23);
}

struct Total {
    Vec parts[TURN / WIDE] = {};
    float sum() const {
        float total = 0;
        for (int i = 0; i < TURN; ++i) total += parts[i / WIDE][i % WIDE];
        return total;
    }
};

int padded(int n, int to) { return (n + to - 1) / to * to; }

// What to multiply numbers by so that the largest becomes `finest`; 0 where they are too small for that.
float inverse_of(float largest, float finest) {
    float inverse = finest / largest;
    return std::isfinite(inverse) ? inverse : 0.0f;
}

// Memory in large pages where the system has them: with small ones a step over many slots waits for their tables.
template <class T>
struct InLargePages {
    using value_type = T;
    static constexpr size_t PAGE = 2 << 20;  // bytes

    InLargePages() = default;
    template <class U>
    InLargePages(const InLargePages<U>&) {}

    T* allocate(size_t count) {
        size_t size = (count * sizeof(T) + PAGE - 1) / PAGE * PAGE;
        void* memory = std::aligned_alloc(PAGE, size);
        if (!memory) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
        madvise(memory, size, MADV_HUGEPAGE);
#endif
        return static_cast<T*>(memory);
    }
    void deallocate(T* memory, size_t) { std::free(memory); }

    friend bool operator==(InLargePages, InLargePages) { return true; }
    friend bool operator!=(InLargePages, InLargePages) { return false; }
};

// ---------------------------------------------------------------- the inner loop

// How rows of LANES columns are packed: FOLD of them side by side; at(k, lane) is the place of a number in its group.
// Operand is what they are multiplied with: set(x, rows, stride, where) takes the numbers of each row that stand `where`.
template <class Store>
struct Packed;

template <>
struct Packed<float> {
    static constexpr int FOLD = 1, MOST_ROWS = REGISTERS == 32 ? 6 : 1;  // at once: their sums stand in registers
    static size_t at(int k, int lane) { return size_t(k) * LANES + lane; }

    struct Operand {
        const float* x = nullptr;
        int stride = 0;
        void reserve(int, int) {}
        void set(const float* from, int, int stride_, const Stretches&) { x = from, stride = stride_; }
    };
};

template <>
struct Packed<int8_t> {
    static constexpr int FOLD = 4, MOST_ROWS = REGISTERS == 32 ? 4 : 1;
    static size_t at(int k, int lane) {  // the even bytes of four make two int16, and the odd ones the next two
        constexpr int PLACE[FOLD] = {0, 2, 1, 3};
        return size_t(k / FOLD * LANES + lane) * FOLD + PLACE[k % FOLD];
    }

    class Operand {
      public:
        void reserve(int rows, int numbers) {
            if (numbers_.size() < size_t(rows) * padded(numbers, FOLD))
                numbers_.resize(size_t(rows) * padded(numbers, FOLD));
            if (steps_.size() < size_t(rows)) steps_.resize(rows);
        }

        void set(const float* x, int rows, int stride, const Stretches& where) {
            stride_ = padded(std::max(where.end(0), where.end(1)), FOLD);
            // As fine as int16 allows, and as the sum of all products does in int32.
            float finest = std::min(32512.0f, std::floor(2147483000.0f / (127.0f * float(where.count))));
            for (int r = 0; r < rows; ++r) {
                const float* from = x + size_t(r) * stride;
                float most = 0;
                for (int s = 0; s < 2; ++s) {
                    float some = largest(from + where.begin[s], where.length[s]);
                    if (some > most || std::isnan(some)) most = some;  // and nothing is more than NaN
                }
                int16_t* to = &numbers_[size_t(r) * stride_];
                if (!std::isfinite(most)) {  // so are all products: int16 would hide it
                    std::fill(to, to + stride_, int16_t(0));
                    steps_[r] = std::numeric_limits<float>::quiet_NaN();
                    continue;
                }
                float inverse = inverse_of(most, finest);
                steps_[r] = most / finest;
                for (int s = 0; s < 2; ++s) {
                    for (int k = where.begin[s] / FOLD * FOLD; k < where.begin[s]; ++k) to[k] = 0;
                    for (int k = where.begin[s]; k < where.end(s); ++k) {
                        float scaled = from[k] * inverse;
                        to[k] = int16_t(int32_t(scaled + (scaled < 0 ? -0.5f : 0.5f)));
                    }
                    for (int k = where.end(s); k < padded(where.end(s), FOLD); ++k) to[k] = 0;
                }
            }
        }

        IntVec pair(int row, int k) const {  // numbers k and k + 1 of the row, again and again
            int32_t both;
            std::memcpy(&both, &numbers_[size_t(row) * stride_ + k], sizeof both);
            return both - IntVec{};
        }
        float step(int row) const { return steps_[row]; }

      private:
        // As bits: without the sign they rise as the numbers do, and what is no number stands above all others.
        static float largest(const float* x, int count) {
            constexpr int32_t UNSIGNED = 0x7fffffff;
            IntVec most{};
            int k = 0;
            for (; k + WIDE <= count; k += WIDE) {
                IntVec some = reinterpret_cast<IntVec>(load(x + k)) & UNSIGNED;
                most = some > most ? some : most;
            }
            int32_t one = 0;
            for (int lane = 0; lane < WIDE; ++lane) one = std::max(one, most[lane]);
            for (; k < count; ++k) {
                int32_t bits;
                std::memcpy(&bits, x + k, sizeof bits);
                one = std::max(one, bits & UNSIGNED);
            }
            float value;
            std::memcpy(&value, &one, sizeof value);
            return value;
        }

        std::vector<int16_t> numbers_;  // (rows, stride)
        std::vector<float> steps_;      // (rows,)
        int stride_ = 0;
    };
};

// Of ROWS rows and a group: add() adds w[k][lane] * x[row][k] for k from begin to end, each row's in the order of k.
template <class Store, int ROWS>
struct Sums;

template <int ROWS>
struct Sums<float, ROWS> {
    Vec sums[ROWS][VECS] = {};

    void add(const Packed<float>::Operand& x, int first, int begin, int end, const float* w) {
        Vec held[ROWS][VECS];
        std::memcpy(held, sums, sizeof held);
        w += size_t(begin) * LANES;
        for (int k = begin; k < end; ++k, w += LANES) {
            __builtin_prefetch(w + AHEAD);
#pragma GCC unroll 8
            for (int v = 0; v < VECS; ++v) {
                Vec column = load(w + v * WIDE);
#pragma GCC unroll 6
                for (int r = 0; r < ROWS; ++r) held[r][v] += x.x[size_t(first + r) * x.stride + k] * column;
            }
        }
        std::memcpy(sums, held, sizeof held);
    }

    void take(const Packed<float>::Operand&, int, int r, Vec (&to)[VECS]) const { std::memcpy(to, sums[r], sizeof to); }
};

template <int ROWS>
struct Sums<int8_t, ROWS> {
    static constexpr int FOLD = Packed<int8_t>::FOLD;
    IntVec sums[ROWS][VECS] = {};

    void add(const Packed<int8_t>::Operand& x, int first, int begin, int end, const int8_t* w) {
        IntVec held[ROWS][VECS];
        std::memcpy(held, sums, sizeof held);
        begin = begin / FOLD * FOLD;
        w += size_t(begin) * LANES;
        for (int k = begin; k < end; k += FOLD, w += FOLD * LANES) {
#pragma GCC unroll 8
            for (int v = 0; v < VECS; ++v) {
                __builtin_prefetch(w + v * FOLD * WIDE + AHEAD);
                ShortVec both;
                std::memcpy(&both, w + v * FOLD * WIDE, sizeof both);
                ShortVec even = (both << 8) >> 8, odd = both >> 8;
#pragma GCC unroll 6
                for (int r = 0; r < ROWS; ++r) {
                    held[r][v] = dot(held[r][v], even, x.pair(first + r, k));
                    held[r][v] = dot(held[r][v], odd, x.pair(first + r, k + 2));
                }
            }
        }
        std::memcpy(sums, held, sizeof held);
    }

    void take(const Packed<int8_t>::Operand& x, int first, int r, Vec (&to)[VECS]) const {
        for (int v = 0; v < VECS; ++v) to[v] = __builtin_convertvector(sums[r][v], Vec) * x.step(first + r);
    }
};

// All rows against one group: take(row, sums of the row).
template <class Store, class Take>
inline void multiply(const typename Packed<Store>::Operand& x, int rows, const Stretches& where, const Store* w,
                     Take take) {
    auto some = [&](auto constant, int first) {
        constexpr int ROWS = decltype(constant)::value;
        Sums<Store, ROWS> sums;
        for (int s = 0; s < 2; ++s) sums.add(x, first, where.begin[s], where.end(s), w);
        for (int r = 0; r < ROWS; ++r) {
            Vec row[VECS];
            sums.take(x, first, r, row);
            take(first + r, row);
        }
    };
    constexpr int MOST_ROWS = Packed<Store>::MOST_ROWS;
    int row = 0;
    if constexpr (MOST_ROWS >= 6)
        for (; rows - row >= 6; row += 6) some(std::integral_constant<int, 6>{}, row);
    if constexpr (MOST_ROWS >= 4)
        for (; rows - row >= 4; row += 4) some(std::integral_constant<int, 4>{}, row);
    if constexpr (MOST_ROWS >= 2)
        for (; rows - row >= 2; row += 2) some(std::integral_constant<int, 2>{}, row);
    for (; row < rows; ++row) some(std::integral_constant<int, 1>{}, row);
}

// ---------------------------------------------------------------- what Python hands over

}  // namespace

extern "C" {

struct Matrix {  // of a linear layer: (inputs, outputs), packed; outputs are padded to whole groups
    const void* weights;
    const float* scales;  // (outputs,)
    const float* bias;    // (outputs,), zeros where there is none
    int32_t inputs, outputs;
};

struct Layer {
    Matrix queries_keys_values, out, up, down;
    Matrix distance_keys;  // (head_dim, heads * distances), farthest first; no weights where positions have none
    const float *attention_norm, *feed_norm;        // (dim,)
    const float *content_bias, *distance_bias;      // (heads, head_dim)
};

struct Stage {
    const int32_t* names;              // (name_count,) of Attribute
    const float* given[ATTRIBUTES];    // (ids, dim) for the attributes of earlier stages, else null
    const float* norm;                 // (dim,)
    Matrix heads;                      // to the ids of all names, one after the other
    Matrix gates;                      // to (names, hints), times the strength of copying; no weights without hints
    int32_t name_count;
};

struct Model {
    int32_t dim, layers, heads, kv_heads, window, stages, hints, lags, farthest, memory;
    const int32_t* sizes;                    // (ATTRIBUTES,), 0 for those that the model does not have
    const int32_t* lag_bars;                 // (lags,)
    const float* embeddings[ATTRIBUTES];     // (ids, dim), the projection applied; null where there are none
    const float* bias;                       // (dim,), the projection's
    const float* anchors[FIELDS];            // (ids, dim), null where there are none
    const float* segments;                   // (ids, dim), null where there are none
    const float* hint_words;                 // (hints, ids of all attributes, dim), the projection applied
    const float* hint_same;                  // (hints, dim)
    const float *hint_alike, *hint_distance; // (ids, dim) of the likest bar
    const float *norm, *slopes;              // (dim,), (heads,)
    const Layer* layer;
    const Stage* stage;
    Matrix mix;                              // of all stages, one after the other
    float norm_epsilon;
};

struct Settings {  // one row a slot, changed by Python between two calls
    const float *temperature, *top_p;  // (slots, ATTRIBUTES)
    const float* pulls;                // (slots, PULLS)
    const float* noise;                // (slots, noise_words, ATTRIBUTES)
    const float* trust;                // (slots,), times the strength of copying, hints count
    const uint8_t *warmed, *last;      // (slots,), last: whether no bar follows the one that is open
    const int32_t *length, *segment, *following;  // (slots,), of the bar that is open; following: a meter, or 0
    const int32_t* anchors;            // (slots, FIELDS)
    const int32_t* chords;             // (slots, ids of POSITION), 0 where the model chooses
    const int32_t* roles;              // (slots,), a bit for each id that may be drawn
    int32_t noise_words, farthest_spread;
    float coldest, warmer, least_warm, most_warm;
    int32_t places_per_role, places_per_position, places_per_bar, alike_words;
};

}  // extern "C"

namespace {

// ---------------------------------------------------------------- threads

// Threads that run one function together, and meet at barriers. They wait by turning for a while, then by yielding: a
// barrier takes under a microsecond on free cores, and on a busy one nobody stands in the way of whom it waits for.
class Team {
  public:
    // Of fewer than `most` where the system gives no more threads: the result is the same.
    explicit Team(int most) {
        others_.reserve(most);
        try {
            for (int number = 1; number < most; ++number) others_.emplace_back([this, number] { serve(number); });
        } catch (const std::system_error&) {
        }
    }

    ~Team() {
        {
            std::lock_guard lock(mutex_);
            ended_ = true;
            ++round_;
        }
        wake_.notify_all();
        for (auto& other : others_) other.join();
    }

    // work(number) for each number below `size`, at the same time; it throws nothing, for the others would wait for ever.
    // timed: whether this is one of many that are alike
    template <class Work>
    void run(const Work& work, bool timed) {
        auto began = Clock::now();
        size = pace_.together(timed) ? 1 + int(others_.size()) : 1;
        if (size > 1) {
            work_ = &work;
            call_ = [](const void* what, int number) { (*static_cast<const Work*>(what))(number); };
            {
                std::lock_guard lock(mutex_);
                ++round_;
            }
            wake_.notify_all();
        }
        work(0);
        barrier();
        if (timed) pace_.took(std::chrono::duration<double>(Clock::now() - began).count());
    }

    void barrier() {
        int all = size;  // read before it is told that this thread has arrived: then the next run may write it
        if (all == 1) return;
        unsigned now = turn_.load(std::memory_order_relaxed);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) == all - 1) {
            arrived_.store(0, std::memory_order_relaxed);
            turn_.store(now + 1, std::memory_order_release);
            return;
        }
        for (int tries = 0; turn_.load(std::memory_order_acquire) == now; ++tries) pause(tries);
    }

    int size = 1;  // of those who run now

  private:
    using Clock = std::chrono::steady_clock;

    // Alone or together, whichever is faster now: on a core that something else wants, a thread that has to wait for
    // another waits long. The other way is tried anew once this one has become slower than that was, and from time to
    // time, the more rarely the oftener it did not pay. The result is the same.
    class Pace {
      public:
        bool together(bool timed) const { return (!timed || phase_ != TRIAL) == together_; }

        void took(double seconds) {
            passed_ += seconds, ++steps_;
            if (passed_ < ENOUGH || steps_ < FEWEST) return;
            double mean = passed_ / steps_;
            if (phase_ == SETTLED) {
                settled_ += passed_;
                if (settled_ >= rest_ || mean > other_) phase_ = TRIAL;
            } else if (phase_ == TRIAL) {
                other_ = mean, phase_ = COMPARED;
            } else {
                bool better = other_ < mean;
                if (better) together_ = !together_, other_ = mean;
                rest_ = better ? SHORTEST : std::min(2 * rest_, LONGEST);
                settled_ = 0, phase_ = SETTLED;
            }
            passed_ = 0, steps_ = 0;
        }

      private:
        // TRIAL: the other way   COMPARED: this way, right behind it   SETTLED: this way, until the next trial
        enum Phase { TRIAL, COMPARED, SETTLED };
        static constexpr double ENOUGH = 0.02, SHORTEST = 0.25, LONGEST = 4;  // seconds: as long as others' slices last
        static constexpr int FEWEST = 4;                                      // steps
        Phase phase_ = TRIAL;
        bool together_ = true;
        int steps_ = 0;
        double passed_ = 0, other_ = 0, settled_ = 0, rest_ = SHORTEST;  // other_: a step's seconds the other way
    };

    static void pause(int tries) {
        if (tries > 4000) {
            std::this_thread::yield();
            return;
        }
#if defined(__x86_64__)
        _mm_pause();
#endif
    }

    void serve(int number) {
        for (unsigned seen = FIRST;;) {
            for (int tries = 0; round_.load(std::memory_order_acquire) == seen && tries < 8000; ++tries) pause(tries);
            if (round_.load(std::memory_order_acquire) == seen) {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return round_.load(std::memory_order_acquire) != seen; });
            }
            seen = round_.load(std::memory_order_acquire);
            if (ended_) return;
            call_(work_, number);
            barrier();
        }
    }

    Pace pace_;
    std::vector<std::thread> others_;
    std::mutex mutex_;
    std::condition_variable wake_;
    static constexpr unsigned FIRST = -10;  // they wrap around after hours, so let them do it at once as well
    std::atomic<unsigned> round_{FIRST}, turn_{FIRST};
    std::atomic<int> arrived_{0};
    bool ended_ = false;
    const void* work_ = nullptr;
    void (*call_)(const void*, int) = nullptr;
};

// ---------------------------------------------------------------- what a slot remembers

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

// ---------------------------------------------------------------- the engine

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
        if (past.words[size_t(index - 1) * ATTRIBUTES + FAMILY] == NONE) return {-1, false};  // it was given
        return {index, past.keys[index - 1] == wanted};
    }

    // -------- attention

    // What each query makes of each distance, for all rows at once: the distances are the same for all of them.
    void measure(const Layer& layer, int rows, int t) {
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

    int window(int place) const { return std::min(place + 1, int(m_.window)); }

    void query(int i, int head, const float* bias, float* to) const {
        const float* q = &qkv_[size_t(i) * padded(columns_, LANES) + size_t(head) * head_dim_];
        float root = 1.0f / std::sqrt(float(head_dim_));
        for (int d = 0; d < head_dim_; ++d) to[d] = q[d] * root + (bias ? bias[size_t(head) * head_dim_ + d] : 0.0f);
    }

    // A task is what the rows of one slot ask of one head of keys.

    void attend(int l, int rows, int t) {
        int tasks = 0;
        for (int first = 0, behind; first < rows; first = behind) {
            for (behind = first + 1; behind < rows && row_[behind].slot == row_[first].slot;) ++behind;
            for (int head = 0; head < m_.kv_heads; ++head, ++tasks)
                if (tasks % team_.size == t) attend(l, first, behind, head, *scratch_[t]);
        }
    }

    void attend(int l, int first, int behind, int kv_head, Scratch& scratch) {
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

    void attend_one(int l, int i, int kv_head, const Store* keys, const Store* values, const float* key_scales,
                    const float* value_scales, Scratch& scratch) {
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

    // In place, not yet divided by the sum, which is returned. There is room for TURN more behind the scores.
    static float softmax(float* scores, int count) {
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

    // -------- the draw: one row, stage by stage

    float draw(int i, int drawn, int32_t* word, Scratch& scratch) {
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

    static bool used(const Stage& stage, int family) {
        return std::any_of(stage.names, stage.names + stage.name_count, [&](int a) { return FAMILY_OF[a] == family; });
    }

    // hidden = context + gelu(hidden), by its usual tanh
    void gelu(float* hidden, const float* context) const {
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
    void copy(int i, const Stage& stage, const int32_t* word, Scratch& scratch) {
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

    float draw_family(int slot, const float* logits, float uniform, int32_t* word, Scratch& scratch) {
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

    int last_role() const { return std::max(0, m_.sizes[ROLE] - 1); }

    // Whether the next note may be of the role: a later one than the last note's, or its own, below it.
    bool may_play(int slot, int role) const {
        const Slot& s = slot_[slot];
        return (set_.roles[slot] >> role & 1) && (role > s.role || (role == s.role && s.pitch > 1));
    }

    float draw_one(int slot, int a, const float* logits, float uniform, int32_t* word, Scratch& scratch) {
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
    template <class Pulled>
    float choose(int slot, int a, float uniform, int32_t* word, Scratch& scratch, Pulled pulled) {
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

struct Handle {
    std::unique_ptr<Engine<int8_t>> small;
    std::unique_ptr<Engine<float>> whole;
};

// What the functions below return: an exception of C++ must not reach whoever calls them.
enum Outcome { DONE, NO_MEMORY, BROKEN };

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

// Raised whenever a structure or a function here changes: a build of another version is not taken (library.py).
int segue_version() { return 3; }

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

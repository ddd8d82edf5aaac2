// Vectors, and the inner loop that does all of the multiplying.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "layout.h"

namespace {

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

}  // namespace

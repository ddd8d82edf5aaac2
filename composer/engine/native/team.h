// Threads that do one thing together.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace {

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

}  // namespace

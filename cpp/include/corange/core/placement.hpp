// Where the threads of a parallel loop run, as far as the system needs help with it.
//
// Linux often wakes a sleeping thread on the processor of the one that wakes it, although another is idle, starts it only when that
// one's time is up, and takes ten milliseconds and more to part the two: longer than many a call takes as a whole. So a caller
// whose helpers may be asleep steps aside for a moment when a loop begins, and a helper that finds itself on the caller's processor
// moves to another of those it may use.
#pragma once

#include <chrono>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace corange::detail {

#if defined(__linux__) && defined(_OPENMP)

/// Moves this thread to another of the processors that it may use, if there is one; those stay what they were.
inline void leave_processor(int taken) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<std::size_t>(taken), &others);
  if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof(others), &others) == 0)
    sched_setaffinity(0, sizeof(allowed), &allowed);
}

/// Lives as long as one loop of the calling thread.
class Placement {
 public:
  explicit Placement(int threads)
      : enough_(threads <= processors()), taken_(sched_getcpu()), asleep_(clock::now() - last() > kAwake) {}
  ~Placement() { last() = clock::now(); }
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  /// By each thread, before it starts.
  void settle(bool caller) const {
    if (!enough_) return;
    if (caller && asleep_) sched_yield();
    if (!caller && taken_ >= 0 && sched_getcpu() == taken_) leave_processor(taken_);
  }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kAwake{1};  // helpers wait for the next loop actively for longer than this

  static int processors() {
    static const int count = omp_get_num_procs();
    return count;
  }
  /// When this thread's last loop ended.
  static clock::time_point& last() {
    thread_local clock::time_point time{};
    return time;
  }

  bool enough_;
  int taken_;
  bool asleep_;
};

#else

class Placement {
 public:
  explicit Placement(int) {}
  void settle(bool) const {}
};

#endif

}  // namespace corange::detail

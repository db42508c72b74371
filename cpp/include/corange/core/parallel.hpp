// Parallel loops whose results cannot depend on the number of threads, and which can be interrupted.
//
// A loop is a fixed number of tasks, chosen from the problem's size alone; threads take tasks in any order; what tasks compute
// is combined in task order. Between tasks the calling thread polls the interrupt hook; check_interrupt() inside long tasks does
// so too and, in the threads that help, tells that the loop was stopped. A loop inside a loop runs serially.
// After fork() the child runs serially for good: libgomp's threads do not survive a fork and the next parallel region would wait
// for them forever (GCC bug 60035).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

#include "corange/core/errors.hpp"
#include "corange/core/placement.hpp"
#include "corange/core/types.hpp"

namespace corange {

/// Returns true when the user wants to stop (Python: a pending Ctrl-C). Called at most every 50 ms.
using InterruptHook = bool (*)();

namespace detail {

struct ParallelState {
  std::atomic<InterruptHook> hook{nullptr};
  std::atomic<bool> used{false};      // a parallel region has run in this process
  std::atomic<bool> forked{false};    // ... and then the process forked: this is the child
};

inline ParallelState& parallel_state() {
  static ParallelState state;
  return state;
}

inline void mark_child() {
  if (parallel_state().used) parallel_state().forked = true;
}

/// Processors that the container may use (cgroup v2 quota), or a large number.
inline int cgroup_cpus() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 1 << 20;
  try {
    return std::max(1, static_cast<int>(std::stod(quota) / period + 0.999));
  } catch (const std::exception&) {
    return 1 << 20;
  }
}

/// In the threads that help with a loop: whether that loop has been stopped. The hook is for the thread that the user called from,
/// where this is null.
inline const std::atomic<bool>*& helped_loop() {
  thread_local const std::atomic<bool>* stopped = nullptr;
  return stopped;
}

inline bool poll_interrupt() {
  using clock = std::chrono::steady_clock;
  if (helped_loop()) return *helped_loop();
  thread_local clock::time_point last{};
  const InterruptHook hook = parallel_state().hook;
  if (!hook) return false;
  const auto now = clock::now();
  if (now - last < std::chrono::milliseconds(50)) return false;
  last = now;
  return hook();
}

}  // namespace detail

inline void set_interrupt_hook(InterruptHook hook) { detail::parallel_state().hook = hook; }

/// Throws Interrupted when the hook says so; for loops that are not parallel_for, and inside long tasks of one.
inline void check_interrupt() {
  if (detail::poll_interrupt()) throw Interrupted();
}

/// Threads that a loop may use now: OMP_NUM_THREADS and threadpoolctl are honoured, so is the container's quota.
inline int max_threads() {
#if defined(_OPENMP)
  if (detail::parallel_state().forked || omp_in_parallel()) return 1;
  static const int quota = detail::cgroup_cpus();
  return std::min(omp_get_max_threads(), quota);
#else
  return 1;
#endif
}

namespace detail {

/// Runs tasks until they or the patience end; keeps the first exception.
template <class Fn>
class TaskRunner {
 public:
  TaskRunner(Index tasks, Fn& fn) : tasks_(tasks), fn_(fn) {}

  void run(bool caller) {
    const auto outer = helped_loop();
    if (!caller) helped_loop() = &stop_;
    for (Index task = next_++; task < tasks_ && !stop_; task = next_++) {
      try {
        check_interrupt();
        fn_(task);
      } catch (...) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = std::current_exception();
        stop_ = true;
      }
    }
    helped_loop() = outer;
  }

  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const Index tasks_;
  Fn& fn_;
  std::atomic<Index> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::exception_ptr error_;
};

/// Arithmetic that takes one thread about 10 microseconds. Waking other threads for less gains nothing, and where other programs
/// keep the processors busy it costs milliseconds, until all of them had their turn.
inline constexpr Index kSmallLoop = 1 << 15;

}  // namespace detail

/// fn(task) for task = 0 .. tasks-1, in parallel; an exception or an interrupt ends the loop and is rethrown here.
/// `work` is about the number of multiplications, or of entries moved, of all tasks together: little of it is not shared.
template <class Fn>
void parallel_for(Index tasks, Index work, Fn&& fn) {
  detail::TaskRunner<Fn> runner(tasks, fn);
  [[maybe_unused]] const int threads = work < detail::kSmallLoop ? 1 : static_cast<int>(std::min<Index>(max_threads(), tasks));
#if defined(_OPENMP)
  if (threads > 1) {
#if defined(__unix__) || defined(__APPLE__)
    static const int registered = pthread_atfork(nullptr, nullptr, detail::mark_child);
    static_cast<void>(registered);
#endif
    detail::parallel_state().used = true;
    {
      const detail::Placement placement(threads);
#pragma omp parallel num_threads(threads)
      {
        const bool caller = omp_get_thread_num() == 0;
        placement.settle(caller);
        runner.run(caller);
      }
    }
    runner.rethrow();
    return;
  }
#endif
  runner.run(true);
  runner.rethrow();
}

/// The same for loops that are never small.
template <class Fn>
void parallel_for(Index tasks, Fn&& fn) {
  parallel_for(tasks, detail::kSmallLoop, std::forward<Fn>(fn));
}

/// fn() in a thread of its own while this one polls the hook: for calls that cannot poll themselves. An interrupt leaves the
/// thread behind to finish unheard, so fn must own all that it uses.
template <class Fn>
std::invoke_result_t<Fn> interruptible(Fn fn) {
  const auto task = std::make_shared<std::packaged_task<std::invoke_result_t<Fn>()>>(std::move(fn));
  auto result = task->get_future();
  try {
    std::thread([task] { (*task)(); }).detach();
  } catch (const std::system_error&) {
    (*task)();  // no thread to be had
  }
  while (result.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready) check_interrupt();
  return result.get();
}

/// [0, n) cut into equal pieces of a size that depends on n alone.
struct Tiling {
  Index n = 0, tile = 1;

  Index count() const { return n <= 0 ? 0 : (n + tile - 1) / tile; }
  Index begin(Index t) const { return t * tile; }
  Index size(Index t) const { return std::min(tile, n - t * tile); }
};

/// At most `pieces` tiles of at least `smallest`: few enough that one partial result a tile is affordable.
inline Tiling tiling(Index n, Index pieces = 64, Index smallest = 256) {
  const Index tile = std::max(smallest, (n + pieces - 1) / std::max<Index>(pieces, 1));
  return {n, std::max<Index>(tile, 1)};
}

}  // namespace corange

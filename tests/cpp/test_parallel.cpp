#include "corange/core/parallel.hpp"

#include <atomic>
#include <thread>

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "check.hpp"
#include "matrices.hpp"

using namespace corange;

namespace {

std::atomic<int> hook_calls{0};
std::atomic<bool> hook_answer{false};
bool hook() {
  ++hook_calls;
  return hook_answer;
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

}  // namespace

TEST("parallel: every task runs once") {
  for (const int threads : {1, 2, 3, 7})
    matrices::with_threads(threads, [] {
      for (const Index tasks : {0, 1, 2, 5, 1000}) {
        std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
        parallel_for(tasks, [&](Index t) { ++runs[static_cast<std::size_t>(t)]; });
        for (const auto& r : runs) CHECK(r == 1);
      }
    });
}

TEST("parallel: a small loop stays on the calling thread, a large one is shared") {
  matrices::with_threads(2, [] {
    for (const Index work : {Index{1000}, Index{1} << 20}) {
      std::atomic<int> elsewhere{0};
      const auto caller = std::this_thread::get_id();
      parallel_for(100, work, [&](Index) {
        if (std::this_thread::get_id() != caller) ++elsewhere;
        sleep_ms(1);
      });
      CHECK((elsewhere > 0) == (work > 1000 && max_threads() > 1));
    }
  });
}

TEST("parallel: an exception ends the loop and arrives") {
  for (const int threads : {1, 2, 7})
    matrices::with_threads(threads, [] {
      std::atomic<int> ran{0};
      const auto loop = [&] {
        parallel_for(100000, [&](Index t) {
          ++ran;
          if (t == 10) throw InvalidArgument("task 10");
          // An exception takes its time to arrive: tasks that did nothing could all be done by then.
          if (t > 10) std::this_thread::sleep_for(std::chrono::microseconds(100));
        });
      };
      CHECK_THROWS(loop(), InvalidArgument);
      CHECK(ran < 100000);
      parallel_for(10, [&](Index) { ++ran; });  // and the next loop works
    });
}

TEST("parallel: loops nest") {
  for (const int threads : {1, 2, 7})
    matrices::with_threads(threads, [] {
      std::atomic<int> ran{0};
      parallel_for(20, [&](Index) { parallel_for(30, [&](Index) { ++ran; }); });
      CHECK(ran == 600);
    });
}

TEST("parallel: two threads may loop at once") {
  std::atomic<int> ran{0};
  const auto work = [&] {
    for (int k = 0; k < 50; ++k) parallel_for(20, [&](Index) { ++ran; });
  };
  std::thread other(work);
  work();
  other.join();
  CHECK(ran == 2000);
}

TEST("parallel: the interrupt hook stops a loop within 0.2 s") {
  for (const int threads : {1, 2}) {
    matrices::with_threads(threads, [] {
      hook_answer = false;
      set_interrupt_hook(hook);
      parallel_for(100, [](Index) { sleep_ms(1); });
      CHECK(hook_calls > 0);
      hook_answer = true;
      const auto start = std::chrono::steady_clock::now();
      CHECK_THROWS(parallel_for(10000, [](Index) { sleep_ms(2); }), Interrupted);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      CHECK(took.count() < 0.2);
      sleep_ms(60);
      CHECK_THROWS(check_interrupt(), Interrupted);
      set_interrupt_hook(nullptr);
      check_interrupt();
    });
  }
}

TEST("parallel: an interrupt reaches the long tasks of all threads, which check for it themselves") {
  matrices::with_threads(2, [] {
    hook_answer = false;
    set_interrupt_hook(hook);
    std::atomic<int> pieces{0};
    const auto long_task = [&](Index) {
      for (int piece = 0; piece < 1000; ++piece, ++pieces) {
        sleep_ms(2);
        if (piece == 10) hook_answer = true;  // by then all threads have begun
        check_interrupt();
      }
    };
    CHECK_THROWS(parallel_for(2, long_task), Interrupted);
    CHECK(pieces < 200);
    set_interrupt_hook(nullptr);
    parallel_for(2, [](Index) { check_interrupt(); });  // and the next loop is a new one
  });
}

TEST("parallel: tilings cover, and depend on the size alone") {
  for (const Index n : {0, 1, 255, 256, 257, 1000, 16384, 16385, 100003}) {
    const Tiling tiles = tiling(n);
    Index covered = 0;
    for (Index t = 0; t < tiles.count(); ++t) {
      CHECK(tiles.begin(t) == covered);
      CHECK(tiles.size(t) > 0);
      covered += tiles.size(t);
    }
    CHECK(covered == n);
    CHECK(tiles.count() <= 64);
    matrices::with_threads(7, [&] { CHECK(tiling(n).tile == tiles.tile); });
  }
}

#if defined(__unix__) && !defined(__SANITIZE_ADDRESS__)
TEST("parallel: a forked child runs serially instead of hanging") {
  matrices::with_threads(2, [] {
    std::atomic<int> ran{0};
    parallel_for(10, [&](Index) { ++ran; });
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // a hang becomes a failure
      int sum = 0;
      parallel_for(10, [&](Index t) { sum += static_cast<int>(t); });
      _exit(sum == 45 && max_threads() == 1 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    parallel_for(10, [&](Index) { ++ran; });  // the parent goes on
    CHECK(ran == 20);
    CHECK(max_threads() == 2);
  });
}
#endif

#if defined(__linux__) && defined(_OPENMP)
namespace {

cpu_set_t allowed_processors() {
  cpu_set_t allowed;
  CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
  return allowed;
}

}  // namespace

TEST("parallel: a thread leaves a processor for another that it may use, and may use all as before") {
  const cpu_set_t before = allowed_processors();
  bool moved = false;
  for (int attempt = 0; attempt < 10 && !moved; ++attempt) {  // the system may send it back at once
    const int taken = sched_getcpu();
    detail::leave_processor(taken);
    moved = sched_getcpu() != taken;
  }
  CHECK(moved == (CPU_COUNT(&before) > 1));
  const cpu_set_t after = allowed_processors();
  CHECK(CPU_EQUAL(&before, &after));
}

TEST("parallel: a thread that is bound to a processor stays there") {
  const cpu_set_t before = allowed_processors();
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(sched_getcpu()), &one);
  CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
  const int here = sched_getcpu();
  detail::leave_processor(here);
  const cpu_set_t after = allowed_processors();
  CHECK(sched_getcpu() == here && CPU_EQUAL(&one, &after));
  CHECK(sched_setaffinity(0, sizeof(before), &before) == 0);
}
#endif

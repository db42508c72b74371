// How much memory there is, and the refusal of work that cannot fit in it.
//
// Without it a hopeless call would compute for a long time and then fail with "std::bad_alloc", or be killed by the system.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <limits>
#include <new>
#include <string>
#include <utility>

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#if defined(__linux__)
#include <sys/sysinfo.h>
#elif defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include "corange/core/types.hpp"

namespace corange {

/// More memory is wanted than there is; thrown before work starts. Python: MemoryError.
struct OutOfMemory : std::bad_alloc {
  explicit OutOfMemory(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

/// Gives what was freed back to the system, where the C library keeps it in case: between phases that need much of other sizes.
inline void return_freed_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

/// Bytes that this process can ever have: memory and swap, or the container's limit (cgroup v2); infinite where nobody tells.
inline double memory_limit() {
  double limit = std::numeric_limits<double>::infinity();
#if defined(__linux__)
  struct sysinfo info{};
  if (::sysinfo(&info) == 0)
    limit = (static_cast<double>(info.totalram) + static_cast<double>(info.totalswap)) * static_cast<double>(info.mem_unit);
#elif defined(_SC_PHYS_PAGES)
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  if (pages > 0) limit = static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE));
#endif
  double quota = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> quota && quota > 0) limit = std::min(limit, quota);
  return limit;
}

/// Throws unless `bytes`, the least that the call will hold at once, can be had. `advice` tells what would need less.
inline void require_memory(double bytes, const std::string& task, const std::string& advice, double limit = memory_limit()) {
  if (bytes <= limit) return;
  const auto gigabytes = [](double x) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.3g GB", 1e-9 * x);
    return std::string(text);
  };
  throw OutOfMemory(task + " needs at least " + gigabytes(bytes) + " of memory, and there are " + gigabytes(limit) + "; " +
                    advice);
}

/// Bytes of a Block<T>; a double, since sizes that do not fit in an Index are the ones to refuse.
template <class T>
double block_bytes(Index rows, Index cols) {
  return static_cast<double>(sizeof(T)) * static_cast<double>(rows) * static_cast<double>(padded<T>(cols));
}

}  // namespace corange

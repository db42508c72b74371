#include "corange/core/memory.hpp"

#include <vector>

#include "check.hpp"

using namespace corange;

TEST("memory: the limit is more than this program holds") {
  const std::vector<double> held(1 << 20, 1.0);
  CHECK(memory_limit() > 8.0 * static_cast<double>(held.size()));
}

TEST("memory: what fits is allowed, what does not is refused with both figures") {
  require_memory(4e9, "svd", "ask for less", 4e9);
  CHECK_THROWS(require_memory(5e9, "svd", "ask for less", 4e9), std::bad_alloc);
  std::string message;
  try {
    require_memory(5e9, "svd", "ask for less", 4e9);
  } catch (const OutOfMemory& e) {
    message = e.what();
  }
  CHECK(message == "svd needs at least 5 GB of memory, and there are 4 GB; ask for less");
}

TEST("memory: sizes beyond the range of an index are counted too") {
  const Index huge = Index{1} << 62;
  CHECK(block_bytes<double>(huge, 9) == 16.0 * 8.0 * std::ldexp(1.0, 62));
}

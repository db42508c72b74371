// Prints the best instruction set of this machine; CMake runs it while it configures.
#include <cstdio>

#include "cpu_isa.hpp"

int main() {
  const auto isas = corange::bindings::supported_isas();
  if (isas.empty()) return 1;
  std::fputs(isas.front(), stdout);
}

// Which of the instruction sets that corange is compiled for does this processor have?
//
// Asked twice: by CMake (what to compile on this machine) and by the Python loader (what to load). CPUID is read
// directly because compilers disagree on the names that __builtin_cpu_supports knows.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace corange::bindings {

#if defined(__x86_64__)

namespace detail {

struct CpuidLeaf {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

inline CpuidLeaf cpuid(std::uint32_t leaf) {
  CpuidLeaf r;
  __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

constexpr bool has_bits(std::uint32_t word, std::initializer_list<int> bits) {
  for (int bit : bits)
    if (!(word >> bit & 1U)) return false;
  return true;
}

// The vector registers that the operating system saves on a context switch (register XCR0).
inline std::uint32_t saved_registers() {
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

}  // namespace detail

// Names of the supported instruction sets, best first; empty on a processor before x86-64-v2.
// The levels are those of the x86-64 psABI, section 3.1.1; bit numbers are from the processor manuals.
inline std::vector<const char*> supported_isas() {
  using detail::has_bits;
  const auto basic = detail::cpuid(1), extended = detail::cpuid(0x80000001), structured = detail::cpuid(7);

  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF
  const bool v2 = has_bits(basic.ecx, {0, 9, 13, 19, 20, 23}) && has_bits(extended.ecx, {0});
  if (!v2) return {};
  // FMA, MOVBE, OSXSAVE, AVX, F16C; LZCNT; BMI1, AVX2, BMI2; YMM registers saved
  const bool v3 = has_bits(basic.ecx, {12, 22, 27, 28, 29}) && has_bits(extended.ecx, {5}) &&
                  has_bits(structured.ebx, {3, 5, 8}) && has_bits(detail::saved_registers(), {1, 2});
  if (!v3) return {"x86_64_v2"};
  // AVX512 F, DQ, CD, BW, VL; mask and ZMM registers saved
  const bool v4 = has_bits(structured.ebx, {16, 17, 28, 30, 31}) && has_bits(detail::saved_registers(), {5, 6, 7});
  if (!v4) return {"x86_64_v3", "x86_64_v2"};
  return {"x86_64_v4", "x86_64_v3", "x86_64_v2"};
}

#elif defined(__aarch64__)

inline std::vector<const char*> supported_isas() { return {"aarch64"}; }

#else

inline std::vector<const char*> supported_isas() { return {"generic"}; }

#endif

}  // namespace corange::bindings

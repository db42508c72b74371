// The widest vector that the target of this translation unit has, as a plain type: GCC and Clang vector extensions.
#pragma once

#include "corange/core/types.hpp"

namespace corange::simd {

#if defined(__AVX512F__)
inline constexpr int kBytes = 64;
inline constexpr int kRegisters = 32;
#elif defined(__AVX__)
inline constexpr int kBytes = 32;
inline constexpr int kRegisters = 16;
#elif defined(__aarch64__)
inline constexpr int kBytes = 16;
inline constexpr int kRegisters = 32;
#else
inline constexpr int kBytes = 16;
inline constexpr int kRegisters = 16;
#endif

template <class T>
struct VectorOf {
  using type __attribute__((vector_size(kBytes))) = T;
};
template <class T>
using Vector = typename VectorOf<T>::type;

/// Entries of T in a vector.
template <class T>
inline constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));

template <class T>
inline Vector<T> load(const T* p) {
  Vector<T> v;
  __builtin_memcpy(&v, p, kBytes);
  return v;
}
template <class T>
inline void store(T* p, Vector<T> v) {
  __builtin_memcpy(p, &v, kBytes);
}

}  // namespace corange::simd

// exp(x) for x <= 0, a vector at a time, without branches and without the C library.
//
//   1. n = x / log 2 rounded, r = x - n log 2 in two parts, so |r| <= (log 2) / 2.
//   2. exp(r) by its Taylor polynomial, of degree 13 in double and 7 in float: what is left out is below a tenth of an ulp.
//   3. The exponent n is added to the bits of the result.
//
// Good to 2 ulp. Results below the smallest normal number are 0; exp(0) = 1 exactly; NaN stays NaN.
#pragma once

#include "corange/linalg/simd.hpp"

namespace corange::simd {

namespace detail {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<double> {
  using Int = std::int64_t;
  static constexpr double kLowest = -708.39, kMagic = 0x1.8p52;
  static constexpr double kLog2High = 0x1.62e42fee00000p-1, kLog2Low = 0x1.a39ef35793c76p-33;
  static constexpr int kMantissa = 52, kBias = 1023, kTerms = 14;
};

template <>
struct ExpConstants<float> {
  using Int = std::int32_t;
  static constexpr float kLowest = -87.33f, kMagic = 0x1.8p23f;
  static constexpr float kLog2High = 0x1.63p-1f, kLog2Low = -0x1.bd0106p-13f;
  static constexpr int kMantissa = 23, kBias = 127, kTerms = 8;
};

}  // namespace detail

template <class T>
inline Vector<T> exp_negative(Vector<T> x) {
  using C = detail::ExpConstants<T>;
  using Ints = Vector<typename C::Int>;
  static constexpr double kInverseFactorials[] = {
      1.0,        1.0,         1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
      1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
  const Vector<T> shifted = x * static_cast<T>(0x1.71547652b82fep0) + C::kMagic;
  const Vector<T> n = shifted - C::kMagic;
  const Vector<T> r = (x - n * C::kLog2High) - n * C::kLog2Low;
  Vector<T> sum = Vector<T>{} + static_cast<T>(kInverseFactorials[C::kTerms - 1]);
  for (int k = C::kTerms - 2; k >= 0; --k) sum = sum * r + static_cast<T>(kInverseFactorials[k]);
  const Ints power = ((Ints)shifted + C::kBias) << C::kMantissa;  // the low bits of `shifted` are n
  const Ints tiny = x < C::kLowest;
  return (Vector<T>)((Ints)(sum * (Vector<T>)power) & ~tiny);
}

}  // namespace corange::simd

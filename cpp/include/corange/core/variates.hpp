// Uniform, sign and normal variates from random words, vectorized, without branches and without the C library, so that they are
// the same bits on every processor (lanes.hpp).
//
// float variates read 32 random bits, double variates read the same 32 bits as their high half and 32 more. So
//   uniform  in [0, 1), multiples of 2^-24 (float) and 2^-53 (double); the float is the double cut to 24 bits;
//   sign     +1 where the uniform is below 1/2, else -1; the same in float and double;
//   normal   Box-Muller on pairs of words: sqrt(-2 log u) (cos a, sin a). The float is the double to 1e-6 in all but 2e-5 of the
//            draws (those with u next to 0, where 32 bits are coarse; there the double reaches further out).
//            |float| <= 6.67 and |double| <= 9.42, as u is an odd multiple of 2^-32 and 2^-64.
// The radius sqrt(-2 log u) is good to 2 units of rounding of its own, cos a and sin a to 2 of 1, in float and in double.
//
// Fused multiply-adds would save a fifth of the transform's instructions, but x86-64-v2 has none and would have to imitate their
// rounding at ten times the price. Divisions and square roots are cheap by comparison: another unit does them meanwhile.
#pragma once

#include "corange/core/lanes.hpp"

namespace corange::variates {

using lanes::bits;
using lanes::select;
using lanes::times;
using F32 = lanes::Twin<lanes::F32>;
using F64 = lanes::Twin<lanes::F64>;
using U32 = lanes::Twin<lanes::U32>;
using U64 = lanes::Twin<lanes::U64>;

/// Random words of as many counters as two vectors have lanes; 32 bits a lane for float, 2 x 32 for double.
struct WordsF32 {
  U32 w[4];
};
struct WordsF64 {
  U64 high[4], low[4];
};

/// Four variates a counter, for the four columns of its group.
template <class V>
struct Quad {
  V v[4];
};

/// c[0] + c[1] x + ... by Horner's rule.
template <class V, int N>
inline V polynomial(V x, const double (&c)[N]) {
  V sum = lanes::all<V>(c[N - 1]);
  for (int k = N - 2; k >= 0; --k) sum = times(sum, x) + lanes::all<V>(c[k]);
  return sum;
}

/// What Box-Muller needs to know of float and of double. The series are minimax polynomials of relative error.
template <class T>
struct Format;

template <>
struct Format<float> {
  static constexpr int kMantissaBits = 23, kBits = 32;
  static constexpr double kUnit = 0x1p-32;
  static constexpr std::uint32_t kHalf = 0x3f000000, kWhole = 0x4b000000;  // 1/2 and 2^23
  /// -4 atanh(s) / s in powers of s^2, |s| <= 1/3: 2e-7
  static constexpr double kLog[] = {-0x1.fffffap+1, -0x1.556192p+0, -0x1.95656ap-1, -0x1.5e7988p-1};
  /// sqrt(2) sin(pi y / 4) / y in powers of y^2, |y| <= 1: 4e-9
  static constexpr double kSine[] = {0x1.1c5832p+0, -0x1.d3ba3ep-4, 0x1.cd8e5ap-9, -0x1.aa7d8ap-15};
};

template <>
struct Format<double> {
  static constexpr int kMantissaBits = 52, kBits = 64;
  static constexpr double kUnit = 0x1p-64;
  static constexpr std::uint64_t kHalf = 0x3fe0000000000000, kWhole = 0x4330000000000000;  // 1/2 and 2^52
  static constexpr double kLog[] = {-0x1.0p+2,
                                    -0x1.5555555555b17p+0,
                                    -0x1.99999998c585fp-1,
                                    -0x1.24924983216cdp-1,
                                    -0x1.c71c470d21ba6p-2,
                                    -0x1.74629ddc8c4a9p-2,
                                    -0x1.3aa4ebba0f9bdp-2,
                                    -0x1.16626ade6b645p-2,
                                    -0x1.94629aebc7400p-3,
                                    -0x1.6c7b8abfb20c1p-2};  // 5e-17
  static constexpr double kSine[] = {0x1.1c5831add62e4p+0,  -0x1.d3ba5c1c5f464p-4,  0x1.cda106381db59p-9, -0x1.b1e9f347f07c8p-15,
                                     0x1.dbd6f6a23dfe3p-22, -0x1.55889d4d3e95dp-29, 0x1.563138a558fa9p-37};  // 4e-18
};

/// sqrt(-2 log u), where kUnit x is u below 1/2 and u - 1 from 1/2 on, so that u next to 0 and to 1 is known to full precision.
/// u = (1 + f) / 2^n with -1/2 <= f < 0 has -2 log u = -4 atanh(f / (2 + f)) + 2 n log 2: nothing cancels.
template <class V>
inline V radius(V x) {
  using F = Format<lanes::ScalarOf<V>>;
  using B = lanes::UnsignedOf<V>;
  constexpr auto kMantissa = F::kHalf / F::kHalf << F::kMantissaBits;  // one more than all its bits
  const B b = bits<B>(x);
  // The exponent of 1/2 in units; negative x have their sign above the exponent, hence a negative n.
  constexpr auto kHalf = static_cast<double>(F::kHalf >> F::kMantissaBits) + F::kBits;
  const V n = lanes::all<V>(kMantissa + kHalf) - bits<V>((b >> F::kMantissaBits) | F::kWhole);
  const V below = bits<V>((b & (kMantissa - 1)) | F::kHalf) - lanes::all<V>(1);
  const V f = select(x < lanes::all<V>(0), times(x, F::kUnit), below);
  const V s = f / (f + lanes::all<V>(2));
  return lanes::square_root(times(s, polynomial(times(s, s), F::kLog)) + times(lanes::positive_part(n), 0x1.62e42fefa39efp+0));
}

/// a = r cos t and b = r sin t for t = y quarter turns, |y| <= 1, from h = sqrt(2) sin(t / 2).
template <class V>
inline void spread(V r, V y, V& a, V& b) {
  const V h = times(y, polynomial(times(y, y), Format<lanes::ScalarOf<V>>::kSine)), rh = times(r, h);
  a = r - times(rh, h);
  b = times(rh, lanes::square_root(lanes::all<V>(2) - times(h, h)));
}

struct Uniform {
  static Quad<F32> draw(const WordsF32& words) {
    Quad<F32> q;
    for (int k = 0; k < 4; ++k) q.v[k] = times(lanes::signed_to_float(words.w[k] >> 8), 0x1p-24);
    return q;
  }
  static Quad<F64> draw(const WordsF64& words) {
    Quad<F64> q;
    for (int k = 0; k < 4; ++k)
      q.v[k] = times(lanes::to_double(words.high[k], 0.0), 0x1p-32) + times(lanes::to_double(words.low[k] >> 11, 0.0), 0x1p-53);
    return q;
  }
};

struct Sign {
  static Quad<F32> draw(const WordsF32& words) {
    Quad<F32> q;
    for (int k = 0; k < 4; ++k) q.v[k] = bits<F32>((words.w[k] & 0x80000000u) | 0x3f800000u);
    return q;
  }
  static Quad<F64> draw(const WordsF64& words) {
    Quad<F64> q;
    for (int k = 0; k < 4; ++k) q.v[k] = bits<F64>(((words.high[k] & 0x80000000u) << 32) | 0x3ff0000000000000u);
    return q;
  }
};

/// Box-Muller. The top bit of an angle's word turns by a half, the others are -1 to 1 quarter turns as a signed number.
struct Normal {
  // A word from 2^31 on is negative as a signed one: its uniform minus 1, which is what `radius` wants.
  template <class U>
  [[gnu::always_inline]] static void pair(U radius_word, U angle_word, lanes::FloatOf<U>& a, lanes::FloatOf<U>& b) {
    const auto r = radius(lanes::signed_to_float(radius_word | 1));
    const auto y = times(lanes::signed_to_float(angle_word << 1), 0x1p-31);
    spread(flip(r, angle_word & 0x80000000u), y, a, b);
  }
  template <class U>
  [[gnu::always_inline]] static void pair(U radius_high, U radius_low, U angle_high, U angle_low, lanes::FloatOf<U>& a,
                                          lanes::FloatOf<U>& b) {
    const auto r = radius(lanes::to_double(radius_high ^ 0x80000000u, radius_low | 1, 0x1p63));
    const auto y = times(lanes::to_double((angle_high & 0x7fffffffu) ^ 0x40000000u, angle_low, 0x1p62), 0x1p-62);
    spread(flip(r, (angle_high & 0x80000000u) << 32), y, a, b);
  }
  // All four vectors of words side by side: the chains of dependent steps are long.
  [[gnu::always_inline]] static Quad<F32> draw(const WordsF32& words) {
    lanes::Twin<F32> a, b;
    const auto& w = words.w;
    pair<lanes::Twin<U32>>({w[0], w[2]}, {w[1], w[3]}, a, b);
    return {{a.a, b.a, a.b, b.b}};
  }
  [[gnu::always_inline]] static Quad<F64> draw(const WordsF64& words) {
    lanes::Twin<F64> a, b;
    const auto &h = words.high, &l = words.low;
    pair<lanes::Twin<U64>>({h[0], h[2]}, {l[0], l[2]}, {h[1], h[3]}, {l[1], l[3]}, a, b);
    return {{a.a, b.a, a.b, b.b}};
  }

 private:
  template <class V>
  static V flip(V x, lanes::UnsignedOf<V> sign) {
    return bits<V>(bits<lanes::UnsignedOf<V>>(x) ^ sign);
  }
};

}  // namespace corange::variates

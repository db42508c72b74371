// Uniform, sign and normal variates from random words, vectorized, without branches and without the C library, so that they are
// the same bits on every processor (lanes.hpp).
//
// float variates read 32 random bits, double variates read the same 32 bits as their high half and 32 more. So
//   uniform  in [0, 1), multiples of 2^-24 (float) and 2^-53 (double); the float is the double cut to 24 bits;
//   sign     +1 where the uniform is below 1/2, else -1; the same in float and double;
//   normal   Box-Muller on pairs of words: sqrt(-2 log u) (cos a, sin a). The float is the double to 1e-6 in all but 2e-5 of the
//            draws (those with u next to 0, where 32 bits are coarse; there the double reaches further out).
//            |float| <= 6.67 and |double| <= 9.42, as u is an odd multiple of 2^-32 and 2^-64.
// log, sin and cos are good to 2.5, 2 and 1.5 ulp in float and in double.
#pragma once

#include "corange/core/lanes.hpp"

namespace corange::variates {

using lanes::bits;
using lanes::select;
using lanes::times;
using F32 = lanes::Twin<lanes::F32>;
using F64 = lanes::Twin<lanes::F64>;
using I32 = lanes::Twin<lanes::I32>;
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
  V sum = V{} + static_cast<decltype(V{}[0] + 0)>(c[N - 1]);
  for (int k = N - 2; k >= 0; --k) sum = times(sum, x) + static_cast<decltype(V{}[0] + 0)>(c[k]);
  return sum;
}

/// log(u) for u = x where x > 0 and u = 1 + x where x < 0; 2^-64 <= u < 1, |x| <= 1/2. Taking x instead of u keeps the relative
/// accuracy where u is next to 1. Minimax polynomials after u = 2^e (1 + f), sqrt(1/2) <= 1 + f < sqrt(2).
inline F32 log_unit(F32 x) {
  constexpr std::int32_t kRoot = 0x3f3504f3;  // sqrt(1/2)
  static constexpr double kP[] = {0.33333313,   -0.2500001, 0.20002119,  -0.16667996, 0.14219552,
                                  -0.124055885, 0.11888162, -0.11675653, 0.06746642};
  const F32 u = select(x < 0.0f, x + 1.0f, x);
  const I32 b = bits<I32>(u) - kRoot;
  const I32 e = b >> 23;
  const F32 f = select(e == 0, x, bits<F32>((b & 0x7fffff) + kRoot) - 1.0f);
  const F32 ef = lanes::to_float(e), z = times(f, f);
  F32 y = times(times(f, z), polynomial(f, kP));
  y = (y + times(ef, -0x1.bd0106p-13)) - times(z, 0.5);
  return (f + y) + times(ef, 0x1.63p-1);
}

inline F64 log_unit(F64 x) {
  constexpr std::uint64_t kRoot = 0x3fe6a09e667f3bcd, kOne = 0x3ff0000000000000;
  static constexpr double kQ[] = {0x1.5555555555592p-1, 0x1.999999997fdb8p-2, 0x1.24924941f1208p-2, 0x1.c71c52095fd71p-3,
                                  0x1.74663ee7ff9f1p-3, 0x1.39a1babfe2f6fp-3, 0x1.2f056342e1708p-3};
  const F64 u = select(x < 0.0, x + 1.0, x);
  const U64 b = bits<U64>(u) + (kOne - kRoot);
  const U64 e = b >> 52;
  const F64 f = select(e == 1023, x, bits<F64>((b & 0xfffffffffffff) + kRoot) - 1.0);
  const F64 ef = lanes::to_double(e, 1023.0);
  const F64 s = f / (f + 2.0), z = times(s, s), half = times(times(f, f), 0.5);
  const F64 r = times(z, polynomial(z, kQ));
  const F64 tail = times(s, half + r) + times(ef, 0x1.a39ef35793c76p-33);
  return times(ef, 0x1.62e42fee00000p-1) - ((half - tail) - f);
}

/// sin and cos of (pi / 4) y, |y| <= 1.
inline void sincos_octant(F32 y, F32& sine, F32& cosine) {
  static constexpr double kSin[] = {0x1.921fb6p-1, -0x1.4abbbap-4, 0x1.465e92p-9, -0x1.2d9302p-15};
  static constexpr double kCos[] = {1.0, -0x1.3bd3ccp-2, 0x1.03c1dep-6, -0x1.55c5e0p-12, 0x1.d9d57ep-19};
  const F32 z = times(y, y);
  sine = times(y, polynomial(z, kSin));
  cosine = polynomial(z, kCos);
}

inline void sincos_octant(F64 y, F64& sine, F64& cosine) {
  static constexpr double kSin[] = {-0x1.5555555555548p-3, 0x1.111111110f7d0p-7,   -0x1.a01a019bfdf05p-13,
                                    0x1.71de3567d499cp-19, -0x1.ae5e5a9299f42p-26, 0x1.5d8fd1fe94000p-33};
  static constexpr double kCos[] = {0x1.555555555554bp-5,   -0x1.6c16c16c14f91p-10, 0x1.a01a019c844f5p-16,
                                    -0x1.27e4f7eac4b9dp-22, 0x1.1ee9d7b4e2276p-29,  -0x1.8fa49a0772139p-37};
  const F64 x = times(y, 0x1.921fb54442d18p-1), z = times(x, x), half = times(z, 0.5);
  sine = x + times(times(x, z), polynomial(z, kSin));
  cosine = 1.0 - (half - times(times(z, z), polynomial(z, kCos)));
}

/// The point at the angle of quadrant q and octant sine and cosine; `turn` holds q in its top two bits. q is the angle rounded to
/// quarter turns, so that the octant part is within 1/8 turn on either side.
template <class V, class U>
inline void rotate(U turn, V& sine, V& cosine) {
  constexpr int kTop = 8 * sizeof(turn[0]) - 1;
  const U top = U{} + (std::uint64_t{1} << kTop), quarter = U{} + (std::uint64_t{1} << (kTop - 1));
  const U swap = turn & quarter;
  const V s = select(swap, cosine, sine), c = select(swap, sine, cosine);
  sine = bits<V>(bits<U>(s) ^ (turn & top));
  cosine = bits<V>(bits<U>(c) ^ ((turn + quarter) & top));
}

struct Uniform {
  static Quad<F32> draw(const WordsF32& words) {
    Quad<F32> q;
    for (int k = 0; k < 4; ++k) q.v[k] = times(lanes::to_float(bits<I32>(words.w[k] >> 8)), 0x1p-24);
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

struct Normal {
  static void pair(U32 radius_word, U32 angle_word, F32& a, F32& b) {
    // A word from 2^31 on is negative as a signed one: its uniform minus 1, which is what log_unit wants.
    const F32 x = times(lanes::to_float(bits<I32>(radius_word | 1)), 0x1p-32);
    const F32 radius = lanes::square_root(times(log_unit(x), -2.0));
    const U32 turn = angle_word + 0x20000000u;
    const F32 y = times(lanes::to_float(bits<I32>((turn & 0x3fffffffu) | 1) - 0x20000000), 0x1p-29);
    F32 sine, cosine;
    sincos_octant(y, sine, cosine);
    rotate(turn, sine, cosine);
    a = times(radius, cosine);
    b = times(radius, sine);
  }
  static void pair(U64 radius_high, U64 radius_low, U64 angle_high, U64 angle_low, F64& a, F64& b) {
    const F64 x = times(lanes::to_double(radius_high ^ 0x80000000u, radius_low | 1, 0x1p63), 0x1p-64);
    const F64 radius = lanes::square_root(times(log_unit(x), -2.0));
    const U64 turn = ((angle_high << 32) | angle_low) + 0x2000000000000000u;
    const F64 y = times(lanes::to_double((turn >> 32) & 0x3fffffffu, (turn & 0xffffffffu) | 1, 0x1p61), 0x1p-61);
    F64 sine, cosine;
    sincos_octant(y, sine, cosine);
    rotate(turn, sine, cosine);
    a = times(radius, cosine);
    b = times(radius, sine);
  }
  static Quad<F32> draw(const WordsF32& words) {
    Quad<F32> q;
    for (int k = 0; k < 4; k += 2) pair(words.w[k], words.w[k + 1], q.v[k], q.v[k + 1]);
    return q;
  }
  static Quad<F64> draw(const WordsF64& words) {
    Quad<F64> q;
    for (int k = 0; k < 4; k += 2) pair(words.high[k], words.low[k], words.high[k + 1], words.low[k + 1], q.v[k], q.v[k + 1]);
    return q;
  }
};

}  // namespace corange::variates

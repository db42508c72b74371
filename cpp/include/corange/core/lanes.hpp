// Integer and floating-point vectors of one register, and the few operations on them whose bits are the same on every processor.
//
// Everything here is exact or correctly rounded lane by lane (IEEE 754), so code written with it returns the same bits with
// SSE2, AVX2, AVX-512 or NEON, provided that a product and a sum are never fused behind its back: see `times`.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace corange::lanes {

#if defined(__AVX512F__) && defined(__AVX512DQ__)
inline constexpr int kBytes = 64;
#elif defined(__AVX2__)
inline constexpr int kBytes = 32;
#else
inline constexpr int kBytes = 16;
#endif

template <class T>
struct Of {
  using type __attribute__((vector_size(kBytes))) = T;
};
using U32 = Of<std::uint32_t>::type;
using I32 = Of<std::int32_t>::type;
using U64 = Of<std::uint64_t>::type;
using I64 = Of<std::int64_t>::type;
using F32 = Of<float>::type;
using F64 = Of<double>::type;

template <class V>
inline constexpr int kCount = kBytes / static_cast<int>(sizeof(V{}[0]));

/// Two vectors that go through a computation side by side: each instruction of the one is followed by the same of the other, so
/// that the processor has something to do while a chain of dependent steps waits, also where it cannot look far enough ahead.
template <class V>
struct Twin {
  using Scalar = std::remove_cvref_t<decltype(V{}[0])>;

  V a{}, b{};

  Twin() = default;
  Twin(V first, V second) : a(first), b(second) {}
  Twin(Scalar x) : a(V{} + x), b(V{} + x) {}  // implicit, as between vectors and numbers

  Scalar operator[](int lane) const { return a[lane]; }

  friend Twin operator+(Twin x, Twin y) { return {x.a + y.a, x.b + y.b}; }
  friend Twin operator-(Twin x, Twin y) { return {x.a - y.a, x.b - y.b}; }
  friend Twin operator*(Twin x, Twin y) { return {x.a * y.a, x.b * y.b}; }
  friend Twin operator/(Twin x, Twin y) { return {x.a / y.a, x.b / y.b}; }
  friend Twin operator&(Twin x, Twin y) { return {x.a & y.a, x.b & y.b}; }
  friend Twin operator|(Twin x, Twin y) { return {x.a | y.a, x.b | y.b}; }
  friend Twin operator^(Twin x, Twin y) { return {x.a ^ y.a, x.b ^ y.b}; }
  friend Twin operator<<(Twin x, int count) { return {x.a << count, x.b << count}; }
  friend Twin operator>>(Twin x, int count) { return {x.a >> count, x.b >> count}; }
  friend auto operator<(Twin x, Twin y) { return Twin<decltype(x.a < y.a)>{x.a < y.a, x.b < y.b}; }
  friend auto operator==(Twin x, Twin y) { return Twin<decltype(x.a == y.a)>{x.a == y.a, x.b == y.b}; }
};

/// Unsigned integers as wide as the numbers of V, and floating-point numbers as wide as the integers of V, in the same shape.
template <class V>
struct Counterparts {
  using Unsigned = std::conditional_t<sizeof(V{}[0]) == 4, U32, U64>;
  using Float = std::conditional_t<sizeof(V{}[0]) == 4, F32, F64>;
};
template <class V>
struct Counterparts<Twin<V>> {
  using Unsigned = Twin<typename Counterparts<V>::Unsigned>;
  using Float = Twin<typename Counterparts<V>::Float>;
};
template <class V>
using ScalarOf = std::remove_cvref_t<decltype(V{}[0])>;
template <class V>
using UnsignedOf = typename Counterparts<V>::Unsigned;
template <class V>
using FloatOf = typename Counterparts<V>::Float;

/// The number in all lanes.
template <class V>
inline V all(double x) {
  return V{} + static_cast<ScalarOf<V>>(x);
}

/// The same bits as another type.
template <class To, class From>
inline To bits(From x) {
  static_assert(sizeof(To) == sizeof(From));
  return (To)x;  // between vectors of equal size this is a reinterpretation, not a conversion
}
template <class To, class From>
inline To bits(Twin<From> x) {
  return {bits<decltype(To::a)>(x.a), bits<decltype(To::a)>(x.b)};
}

/// a where mask is not zero, b where it is.
template <class V, class M>
inline V select(M mask, V a, V b) {
  return mask != 0 ? a : b;
}
template <class V, class M>
inline Twin<V> select(Twin<M> mask, Twin<V> x, Twin<V> y) {
  return {select(mask.a, x.a, y.a), select(mask.b, x.b, y.b)};
}

/// a ^ b ^ c
inline U64 xor3(U64 a, U64 b, U64 c) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
  return bits<U64>(_mm512_ternarylogic_epi64(bits<__m512i>(a), bits<__m512i>(b), bits<__m512i>(c), 0x96));
#else
  return a ^ b ^ c;
#endif
}

/// a * b, rounded before anything else happens to it: compilers would otherwise contract a * b + c to a fused multiply-add where
/// the processor has one, and results would depend on the processor. Costs no instruction.
template <class V>
inline V times(V a, V b) {
  V product = a * b;
#if defined(__AVX512F__)
  asm("" : "+v"(product));
#elif defined(__x86_64__)
  asm("" : "+x"(product));
#elif defined(__aarch64__)
  asm("" : "+w"(product));
#endif
  return product;
}
template <class V>
inline Twin<V> times(Twin<V> x, Twin<V> y) {
  return {times(x.a, y.a), times(x.b, y.b)};
}
template <class V>
inline V times(V a, double b) {
  return times(a, all<V>(b));
}

/// Product of the low halves of 64-bit lanes; the high halves are ignored.
inline U64 times_low32(U64 a, std::uint32_t b) {
  [[maybe_unused]] const U64 b_all = U64{} + std::uint64_t{b};
#if defined(__AVX512F__) && defined(__AVX512DQ__)
  // maskz with all lanes on is the plain instruction; the plain intrinsic makes GCC 12 warn of its own uninitialized variable.
  return bits<U64>(_mm512_maskz_mul_epu32(-1, bits<__m512i>(a), bits<__m512i>(b_all)));
#elif defined(__AVX2__)
  return bits<U64>(_mm256_mul_epu32(bits<__m256i>(a), bits<__m256i>(b_all)));
#elif defined(__x86_64__)
  return bits<U64>(_mm_mul_epu32(bits<__m128i>(a), bits<__m128i>(b_all)));
#elif defined(__aarch64__)
  return bits<U64>(vmull_u32(vmovn_u64(bits<uint64x2_t>(a)), vdup_n_u32(b)));
#else
  return (a & 0xffffffffu) * b;
#endif
}

inline F32 square_root(F32 x) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
  return bits<F32>(_mm512_maskz_sqrt_ps(-1, bits<__m512>(x)));
#elif defined(__AVX2__)
  return bits<F32>(_mm256_sqrt_ps(bits<__m256>(x)));
#elif defined(__x86_64__)
  return bits<F32>(_mm_sqrt_ps(bits<__m128>(x)));
#elif defined(__aarch64__)
  return bits<F32>(vsqrtq_f32(bits<float32x4_t>(x)));
#else
  for (int k = 0; k < kCount<F32>; ++k) x[k] = std::sqrt(x[k]);
  return x;
#endif
}

inline F64 square_root(F64 x) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
  return bits<F64>(_mm512_maskz_sqrt_pd(-1, bits<__m512d>(x)));
#elif defined(__AVX2__)
  return bits<F64>(_mm256_sqrt_pd(bits<__m256d>(x)));
#elif defined(__x86_64__)
  return bits<F64>(_mm_sqrt_pd(bits<__m128d>(x)));
#elif defined(__aarch64__)
  return bits<F64>(vsqrtq_f64(bits<float64x2_t>(x)));
#else
  for (int k = 0; k < kCount<F64>; ++k) x[k] = std::sqrt(x[k]);
  return x;
#endif
}

template <class V>
inline Twin<V> square_root(Twin<V> x) {
  return {square_root(x.a), square_root(x.b)};
}

/// x where it is positive, 0 where it is not; x is a number.
template <class V>
inline V positive_part(V x) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
  if constexpr (std::is_same_v<V, F32>)
    return bits<F32>(_mm512_maskz_max_ps(-1, bits<__m512>(x), __m512{}));
  else
    return bits<F64>(_mm512_maskz_max_pd(-1, bits<__m512d>(x), __m512d{}));
#elif defined(__AVX2__)
  if constexpr (std::is_same_v<V, F32>)
    return bits<F32>(_mm256_max_ps(bits<__m256>(x), __m256{}));
  else
    return bits<F64>(_mm256_max_pd(bits<__m256d>(x), __m256d{}));
#elif defined(__x86_64__)
  if constexpr (std::is_same_v<V, F32>)
    return bits<F32>(_mm_max_ps(bits<__m128>(x), __m128{}));
  else
    return bits<F64>(_mm_max_pd(bits<__m128d>(x), __m128d{}));
#else
  return select(x > V{}, x, V{});
#endif
}
template <class V>
inline Twin<V> positive_part(Twin<V> x) {
  return {positive_part(x.a), positive_part(x.b)};
}

/// The words as signed integers, rounded.
inline F32 signed_to_float(U32 x) { return __builtin_convertvector(bits<I32>(x), F32); }
template <class V>
inline FloatOf<Twin<V>> signed_to_float(Twin<V> x) {
  return {signed_to_float(x.a), signed_to_float(x.b)};
}

/// high * 2^32 + low - offset, rounded once. Both 64-bit lanes hold 32 bits; offset is a multiple of 2^32 and of the size of
/// high * 2^32 at most. The words become the mantissas of 2^84 and 2^52, which are then subtracted exactly.
template <class U>
inline auto to_double(U high, U low, double offset) {
  using D = FloatOf<U>;
  const D h = bits<D>(high | 0x4530000000000000u);
  const D l = bits<D>(low | 0x4330000000000000u);
  return (h - (0x1p84 + 0x1p52 + offset)) + l;
}

/// A whole number below 2^32 in a 64-bit lane, minus offset, exactly.
template <class U>
inline auto to_double(U x, double offset) {
  return bits<FloatOf<U>>(x | 0x4330000000000000u) - (0x1p52 + offset);
}

/// Parts of `Width` elements from a and b in turn, out of each run of `Run` elements: the first half with Upper = false, the
/// second with true. Within 16 bytes this is one instruction.
template <int Width, int Run, bool Upper, class V>
inline V interleave(V a, V b) {
  constexpr int kLanes = kCount<V>;
  return [&]<int... K>(std::integer_sequence<int, K...>) {
    constexpr auto from = [](int k) {
      const int part = (k % Run) / Width + (Upper ? Run / Width : 0);  // of 2 Run / Width in turn
      return part % 2 * kLanes + k / Run * Run + part / 2 * Width + k % Width;
    };
#if defined(__clang__)
    return __builtin_shufflevector(a, b, from(K)...);
#else
    using Mask = std::conditional_t<sizeof(a[0]) == 4, I32, I64>;
    return __builtin_shuffle(a, b, Mask{from(K)...});
#endif
  }(std::make_integer_sequence<int, kLanes>{});
}

template <class T, class V>
inline void store(T* p, V x) {
  __builtin_memcpy(p, &x, sizeof(x));
}

/// Which of the quads written by `store_quads` holds lane k: the order that takes the fewest instructions.
template <class V>
constexpr int quad_of_lane(int k) {
  constexpr int kRun = 16 / sizeof(V{}[0]);
  return k / kRun + k % kRun * (kCount<V> / kRun);
}

/// Writes a[k] b[k] c[k] d[k] as quad quad_of_lane(k) of p.
inline void store_quads(double* p, const F64 (&v)[4]) {
  constexpr int kStep = kCount<F64>;
  const F64 ab[] = {interleave<1, 2, false>(v[0], v[1]), interleave<1, 2, true>(v[0], v[1])};
  const F64 cd[] = {interleave<1, 2, false>(v[2], v[3]), interleave<1, 2, true>(v[2], v[3])};
  for (int h = 0; h < 2; ++h) {
    store(p + (2 * h) * kStep, interleave<2, kStep, false>(ab[h], cd[h]));
    store(p + (2 * h + 1) * kStep, interleave<2, kStep, true>(ab[h], cd[h]));
  }
}

inline void store_quads(float* p, const F32 (&v)[4]) {
  constexpr int kStep = kCount<F32>;
  const F64 ab[] = {bits<F64>(interleave<1, 4, false>(v[0], v[1])), bits<F64>(interleave<1, 4, true>(v[0], v[1]))};
  const F64 cd[] = {bits<F64>(interleave<1, 4, false>(v[2], v[3])), bits<F64>(interleave<1, 4, true>(v[2], v[3]))};
  for (int h = 0; h < 2; ++h) {
    store(p + (2 * h) * kStep, interleave<1, 2, false>(ab[h], cd[h]));
    store(p + (2 * h + 1) * kStep, interleave<1, 2, true>(ab[h], cd[h]));
  }
}

/// The same for the lanes of the first vectors, then for those of the second.
template <class T, class V>
inline void store_quads(T* p, const Twin<V> (&v)[4]) {
  store_quads(p, {v[0].a, v[1].a, v[2].a, v[3].a});
  store_quads(p + 4 * kCount<V>, {v[0].b, v[1].b, v[2].b, v[3].b});
}

}  // namespace corange::lanes

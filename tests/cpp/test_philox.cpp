// Statistical checks use fixed seeds, so they pass or fail for good; each states how likely a sound generator was to fail it.
#include "corange/core/philox.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "check.hpp"

using namespace corange;

namespace {

enum class Kind { uniform, normal, sign };

template <class T>
void fill(Kind kind, RandomKey key, Index row0, Index col0, Index rows, Index cols, T* out, Index ld) {
  if (kind == Kind::uniform) fill_uniform(key, row0, col0, rows, cols, out, ld);
  if (kind == Kind::normal) fill_normal(key, row0, col0, rows, cols, out, ld);
  if (kind == Kind::sign) fill_sign(key, row0, col0, rows, cols, out, ld);
}

template <class T>
std::vector<T> block(Kind kind, RandomKey key, Index row0, Index col0, Index rows, Index cols) {
  std::vector<T> x(static_cast<std::size_t>(rows * cols));
  fill(kind, key, row0, col0, rows, cols, x.data(), cols);
  return x;
}

/// The counter of entry (i, j) as philox.hpp documents it, computed one by one.
std::array<std::uint32_t, 4> reference_words(RandomKey k, std::uint64_t i, std::uint64_t j, bool low) {
  const auto lo = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto hi = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const auto mixed = philox4x32({lo(k.seed), hi(k.seed), lo(k.stream), hi(k.stream)}, {0x243F6A88, 0x85A308D3});
  const std::uint64_t group = j / 4;
  return philox4x32({lo(group), hi(group) ^ mixed[2] ^ (low ? 0x80000000u : 0u), lo(i), hi(i) ^ mixed[3]}, {mixed[0], mixed[1]});
}

/// A small generator for the tests' own choices, so that they do not rest on what they test.
struct Lcg {
  std::uint64_t state;
  std::uint64_t below(std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  }
};

long double normal_cdf(long double x) { return 0.5L * std::erfc(-x / std::sqrt(2.0L)); }

/// sqrt(n) * sup |F_n - F|; exceeds 2.23 with probability 1e-4 (Kolmogorov's limit law).
template <class T, class Cdf>
double kolmogorov(std::vector<T> x, Cdf cdf) {
  std::sort(x.begin(), x.end());
  const auto n = static_cast<double>(x.size());
  double sup = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const auto f = static_cast<double>(cdf(x[k]));
    sup = std::max({sup, f - static_cast<double>(k) / n, static_cast<double>(k + 1) / n - f});
  }
  return std::sqrt(n) * sup;
}

/// Sample correlation times sqrt(n): standard normal for independent variates.
template <class T>
double correlation(const std::vector<T>& x, const std::vector<T>& y) {
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    xy += static_cast<double>(x[k]) * y[k];
    xx += static_cast<double>(x[k]) * x[k];
    yy += static_cast<double>(y[k]) * y[k];
  }
  return std::sqrt(static_cast<double>(x.size())) * xy / std::sqrt(xx * yy);
}

/// Worst relative error of `radius`, in units of a rounding.
template <class T, class V>
long double worst_radius(int bits) {
  long double worst = 0;
  Lcg lcg{7};
  for (int k = 0; k < 400000; ++k) {
    // Log-uniform magnitudes on both sides: u near 0, u near 1 and all between.
    const double e = -1.0 - static_cast<double>(lcg.below(1 << 20)) / (1 << 20) * (bits - 1);
    const T x = static_cast<T>((lcg.below(2) ? 1 : -1) * std::exp2(e));
    const long double log = x > 0 ? std::log(static_cast<long double>(x)) : std::log1p(static_cast<long double>(x));
    const long double exact = std::sqrt(-2 * log);
    const T found = variates::radius(lanes::all<V>(std::ldexp(static_cast<double>(x), bits)))[0];
    worst = std::max(worst, std::abs(found - exact) / exact);
  }
  return worst / std::numeric_limits<T>::epsilon();
}

/// Worst error of `spread` on the unit circle, in units of a rounding of 1.
template <class T, class V>
long double worst_spread() {
  long double worst = 0;
  for (int k = -200000; k <= 200000; ++k) {
    const T y = static_cast<T>(k) / 200000 * (k % 3 == 0 ? static_cast<T>(0.37) : 1);
    V cosine, sine;
    variates::spread(lanes::all<V>(1), lanes::all<V>(static_cast<double>(y)), cosine, sine);
    const long double angle = 1.570796326794896619231321691639751442L * y;
    worst = std::max({worst, std::abs(sine[0] - std::sin(angle)), std::abs(cosine[0] - std::cos(angle))});
  }
  return worst / std::numeric_limits<T>::epsilon();
}

}  // namespace

TEST("philox: known answers of Random123") {
  using Words = std::array<std::uint32_t, 4>;
  CHECK((philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  CHECK((philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
         Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK((philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
         Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST("philox: every variate comes from its documented word") {
  const RandomKey key{0x123456789abcdef0, 0xfedcba9876543210};
  for (const Index row0 : {Index{0}, Index{1} << 32, (Index{1} << 62) + 3})
    for (const Index col0 : {Index{0}, (Index{1} << 34) - 6, (Index{1} << 62) + 1}) {
      constexpr Index kRows = 3, kCols = 267;  // some steps of any number of lanes lie within a row, some do not
      const auto f = block<float>(Kind::uniform, key, row0, col0, kRows, kCols);
      const auto d = block<double>(Kind::uniform, key, row0, col0, kRows, kCols);
      const auto s = block<float>(Kind::sign, key, row0, col0, kRows, kCols);
      for (Index k = 0; k < kRows * kCols; ++k) {
        const auto i = static_cast<std::uint64_t>(row0 + k / kCols), j = static_cast<std::uint64_t>(col0 + k % kCols);
        const std::uint64_t high = reference_words(key, i, j, false)[j % 4], low = reference_words(key, i, j, true)[j % 4];
        const auto at = static_cast<std::size_t>(k);
        CHECK(f[at] == static_cast<float>(high >> 8) * 0x1p-24f);
        CHECK(d[at] == static_cast<double>((high << 32 | low) >> 11) * 0x1p-53);
        CHECK(s[at] == (high >> 31 ? -1.0f : 1.0f));
      }
    }
}

TEST("philox: normals are Box-Muller of their documented words") {
  const RandomKey key{42, 7};
  constexpr Index kRows = 300, kCols = 8;
  const auto f = block<float>(Kind::normal, key, 0, 0, kRows, kCols);
  const auto d = block<double>(Kind::normal, key, 0, 0, kRows, kCols);
  for (Index k = 0; k < kRows * kCols; k += 2) {
    const auto i = static_cast<std::uint64_t>(k / kCols), j = static_cast<std::uint64_t>(k % kCols);
    const auto high = reference_words(key, i, j, false), low = reference_words(key, i, j, true);
    const auto turns = [](std::uint64_t word, int bits) {
      const auto half = static_cast<std::int64_t>(word << (64 - bits) << 1);  // the top bit off: signed quarter turns
      return std::ldexp(static_cast<long double>(half), -65) + 0.5L * static_cast<long double>(word >> (bits - 1));
    };
    const auto check = [&](auto x, auto y, std::uint64_t radius, std::uint64_t angle, int bits, long double tolerance) {
      const long double r = std::sqrt(-2 * std::log(std::ldexp(static_cast<long double>(radius | 1), -bits)));
      const long double t = 6.283185307179586476925286766559L * turns(angle, bits);
      CHECK_CLOSE(x, r * std::cos(t), tolerance);
      CHECK_CLOSE(y, r * std::sin(t), tolerance);
    };
    const auto at = static_cast<std::size_t>(k), word = static_cast<std::size_t>(j % 4);
    check(d[at], d[at + 1], std::uint64_t{high[word]} << 32 | low[word], std::uint64_t{high[word + 1]} << 32 | low[word + 1], 64,
          4e-15L);
    check(f[at], f[at + 1], high[word], high[word + 1], 32, 2e-6L);
  }
}

template <class T>
void check_blocks(Kind kind) {
  const RandomKey key{1, 2};
  constexpr Index kRows = 97, kCols = 211;
  const auto whole = block<T>(kind, key, 0, 0, kRows, kCols);
  Lcg lcg{11};
  for (int trial = 0; trial < 300; ++trial) {
    const auto r0 = static_cast<Index>(lcg.below(kRows));
    auto c0 = static_cast<Index>(lcg.below(kCols));
    const Index rows = static_cast<Index>(lcg.below(static_cast<std::uint64_t>(kRows - r0) + 1));
    const Index widest = trial % 2 ? kCols - c0 : std::min<Index>(kCols - c0, 9);
    Index cols = static_cast<Index>(lcg.below(static_cast<std::uint64_t>(widest) + 1));
    if (trial % 6 == 0) {  // rows of whole steps of any number of lanes, each written without a detour
      cols = 64 << (trial / 6 % 2);
      c0 = c0 % (kCols - cols) / 4 * 4;
    }
    const Index ld = cols + static_cast<Index>(lcg.below(5));
    std::vector<T> part(static_cast<std::size_t>(rows * ld), T(-9));
    fill(kind, key, r0, c0, rows, cols, part.data(), ld);
    bool same = true;
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < ld; ++j)
        same &= part[static_cast<std::size_t>(i * ld + j)] ==
                (j < cols ? whole[static_cast<std::size_t>((r0 + i) * kCols + c0 + j)] : T(-9));
    CHECK(same);
  }
}

TEST("philox: a block is that block of the whole, and nothing beside it is written") {
  for (const Kind kind : {Kind::uniform, Kind::normal, Kind::sign}) {
    check_blocks<float>(kind);
    check_blocks<double>(kind);
  }
}

TEST("philox: bits never change") {
  // Recorded once; a change of these numbers changes every seeded result that users have.
  const auto hash = [](const auto& x) {
    std::uint64_t h = 1469598103934665603u;
    for (auto v : x) {
      std::uint64_t word = 0;
      std::memcpy(&word, &v, sizeof(v));
      h = (h ^ word) * 1099511628211u;
    }
    return h;
  };
  const RandomKey key{2024, 5};
  CHECK(hash(block<float>(Kind::uniform, key, 3, 5, 500, 37)) == 0x229150c9b88eadca);
  CHECK(hash(block<double>(Kind::uniform, key, 3, 5, 500, 37)) == 0x986821ee4d932d72);
  CHECK(hash(block<float>(Kind::normal, key, 3, 5, 500, 37)) == 0x41c896168c9afa3c);
  CHECK(hash(block<double>(Kind::normal, key, 3, 5, 500, 37)) == 0x1947f48f6983ccf8);
}

TEST("philox: float against double") {
  const RandomKey key{3, 4};
  constexpr Index kRows = 20000, kCols = 16;
  const auto uf = block<float>(Kind::uniform, key, 0, 0, kRows, kCols), nf = block<float>(Kind::normal, key, 0, 0, kRows, kCols);
  const auto ud = block<double>(Kind::uniform, key, 0, 0, kRows, kCols),
             nd = block<double>(Kind::normal, key, 0, 0, kRows, kCols);
  const auto sf = block<float>(Kind::sign, key, 0, 0, kRows, kCols);
  const auto sd = block<double>(Kind::sign, key, 0, 0, kRows, kCols);
  Index far = 0, farther = 0;
  for (std::size_t k = 0; k < uf.size(); ++k) {
    CHECK(static_cast<double>(uf[k]) == std::floor(ud[k] * 0x1p24) * 0x1p-24);
    CHECK(static_cast<double>(sf[k]) == sd[k]);
    CHECK((uf[k] < 0.5f) == (sf[k] > 0));
    const double gap = std::abs(nf[k] - nd[k]);
    far += gap > 1e-6;
    farther += gap > 1e-5;
  }
  // Expected: 1.7e-5 and 1.4e-6 of the draws (over 10^8 of them).
  CHECK(far < 40);
  CHECK(farther < 8);
}

template <class T>
void check_moments() {
  constexpr Index kRows = 1 << 16, kCols = 64;
  constexpr double kN = static_cast<double>(kRows * kCols);
  double u[3] = {}, g[5] = {}, s = 0;
  std::vector<T> x(static_cast<std::size_t>(kCols));
  for (Index i = 0; i < kRows; ++i) {
    fill_uniform(RandomKey{5, 0}, i, 0, 1, kCols, x.data(), kCols);
    for (const double v : x)
      for (int p = 1; p <= 2; ++p) u[p] += std::pow(v, p) / kN;
    fill_normal(RandomKey{5, 1}, i, 0, 1, kCols, x.data(), kCols);
    for (const double v : x) {
      g[1] += v / kN;
      g[2] += v * v / kN;
      g[3] += v * v * v / kN;
      g[4] += v * v * v * v / kN;
    }
    fill_sign(RandomKey{5, 2}, i, 0, 1, kCols, x.data(), kCols);
    for (const double v : x) s += v;
  }
  // 4.5 standard deviations each: a sound generator fails one of these 7 with probability 5e-5.
  const double z = 4.5 / std::sqrt(kN);
  CHECK_CLOSE(u[1], 0.5, z * std::sqrt(1.0 / 12));
  CHECK_CLOSE(u[2], 1.0 / 3, z * std::sqrt(4.0 / 45));
  CHECK_CLOSE(g[1], 0.0, z);
  CHECK_CLOSE(g[2], 1.0, z * std::sqrt(2.0));
  CHECK_CLOSE(g[3], 0.0, z * std::sqrt(15.0));
  CHECK_CLOSE(g[4], 3.0, z * std::sqrt(96.0));
  CHECK_CLOSE(s / kN, 0.0, z);
}

TEST("philox: moments of 4 million variates") {
  check_moments<float>();
  check_moments<double>();
}

TEST("philox: Kolmogorov-Smirnov") {
  // 4 tests, each with failure probability 1e-4. 10^6 variates: a float's grid of 2^-24 is far below the test's resolution.
  const auto cdf_uniform = [](auto v) { return v; };
  const auto cdf_normal = [](auto v) { return normal_cdf(v); };
  CHECK(kolmogorov(block<float>(Kind::uniform, {6, 0}, 0, 0, 10000, 100), cdf_uniform) < 2.23);
  CHECK(kolmogorov(block<double>(Kind::uniform, {6, 1}, 0, 0, 10000, 100), cdf_uniform) < 2.23);
  CHECK(kolmogorov(block<float>(Kind::normal, {6, 2}, 0, 0, 10000, 100), cdf_normal) < 2.23);
  CHECK(kolmogorov(block<double>(Kind::normal, {6, 3}, 0, 0, 10000, 100), cdf_normal) < 2.23);
}

TEST("philox: tails of the normal distribution") {
  // Exceedances of 4 sigma in 4M draws: Poisson with mean 266; 4.5 standard deviations, 1e-5.
  const auto x = block<float>(Kind::normal, {7, 0}, 0, 0, 1 << 16, 64);
  const auto beyond = std::count_if(x.begin(), x.end(), [](float v) { return std::abs(v) > 4; });
  const auto mean = static_cast<double>(x.size() * 2 * normal_cdf(-4));
  CHECK_CLOSE(beyond, mean, 4.5 * std::sqrt(mean));
  // The ends of the range: the smallest uniform and the one next to 1.
  variates::F32 a, b;
  variates::Normal::pair(variates::U32{}, variates::U32{}, a, b);
  CHECK_CLOSE(a[0], std::sqrt(64 * std::log(2.0)), 1e-6);
  CHECK(b[0] == 0);
  variates::Normal::pair(variates::U32{0xffffffffu}, variates::U32{}, a, b);
  CHECK_CLOSE(a[0], std::sqrt(0x1p-31), 1e-11);
  variates::F64 c, d;
  variates::Normal::pair(variates::U64{}, variates::U64{}, variates::U64{}, variates::U64{}, c, d);
  CHECK_CLOSE(c[0], std::sqrt(128 * std::log(2.0)), 1e-14);
  const variates::U64 ones = variates::U64{} + 0xffffffffu;
  variates::Normal::pair(ones, ones, ones, ones, c, d);
  CHECK_CLOSE(c[0], -std::sqrt(0x1p-63), 1e-25);  // the last angle: next to half a turn
  CHECK(d[0] > 0);
}

TEST("philox: lanes, rows, seeds and streams are independent") {
  // Correlations of x and of x^2 for 36 pairs of vectors of 2^17: 72 tests of a standard normal at 5, 4e-5 in all.
  constexpr Index kN = 1 << 17;
  std::vector<std::vector<double>> x;
  for (Index j = 0; j < 4; ++j) x.push_back(block<double>(Kind::normal, {8, 0}, 0, j, kN, 1));
  x.push_back(block<double>(Kind::normal, {8, 0}, 0, 4, kN, 1));
  x.push_back(block<double>(Kind::normal, {8, 0}, 1, 0, kN, 1));
  x.push_back(block<double>(Kind::normal, {8, 1}, 0, 0, kN, 1));
  x.push_back(block<double>(Kind::normal, {9, 0}, 0, 0, kN, 1));
  x.push_back(block<double>(Kind::normal, {std::uint64_t{8} << 32, 0}, 0, 0, kN, 1));
  const auto squared = [](std::vector<double> v) {
    for (double& e : v) e = e * e - 1;
    return v;
  };
  for (std::size_t a = 0; a < x.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      CHECK_CLOSE(correlation(x[a], x[b]), 0.0, 5.0);
      CHECK_CLOSE(correlation(squared(x[a]), squared(x[b])), 0.0, 5.0);
    }
}

TEST("philox: radius and angle of normals against long double") {
  CHECK((worst_radius<float, variates::F32>(32) < 2));
  CHECK((worst_radius<double, variates::F64>(64) < 2));
  CHECK((worst_spread<float, variates::F32>() < 2));
  CHECK((worst_spread<double, variates::F64>() < 2));
}

TEST("philox: illegal blocks are refused by name") {
  float x[4];
  const RandomKey key;
  CHECK_THROWS(fill_normal(key, -1, 0, 1, 1, x, 1), InvalidArgument);
  CHECK_THROWS(fill_normal(key, 0, -1, 1, 1, x, 1), InvalidArgument);
  CHECK_THROWS(fill_normal(key, 0, 0, -1, 1, x, 1), InvalidArgument);
  CHECK_THROWS(fill_normal(key, 0, 0, 1, -1, x, 1), InvalidArgument);
  CHECK_THROWS(fill_normal(key, 0, 0, 1, 2, x, 1), InvalidArgument);
  CHECK_THROWS(fill_normal(key, INT64_MAX, 0, 1, 1, x, 1), InvalidArgument);
  CHECK_THROWS(fill_normal(key, 0, INT64_MAX, 1, 1, x, 1), InvalidArgument);
  fill_normal<float>(key, 0, 0, 0, 5, nullptr, 5);
  fill_normal<float>(key, 0, 0, 5, 0, nullptr, 0);
}

#include "corange/linalg/spmm.hpp"

#include "check.hpp"
#include "compressed.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

template <class T, class S, class P, class I>
void check_spmm(const Compressed<S, P, I>& a, Index b, double scale = 1) {
  const auto x = random_block<T>(a.inner, b, 1), w = random_block<T>(a.outer, b, 2);
  // Kernels round the entries to T first.
  Exact e = a.dense(), size = a.dense_absolute();
  for (long double& v : e.data) v *= scale;
  for (long double& v : size.data) v *= scale;
  const double bound = 40 * (std::is_same_v<S, T> ? 1 : 2);
  Block<T> y(a.outer, b);
  std::fill_n(y.data(), y.rows() * y.ld(), T(3));  // outputs are overwritten, padding too
  spmm_gather<T>(a.view(scale), x.view(), y.view());
  CHECK(worst_error<T>(y.view(), multiply(e, exact(x.view())), multiply(size, absolute(exact(x.view())))) < bound);
  CHECK(padding_is_zero(y));
  for (const Index ranges : {1, 2, 3, 16, 100}) {
    ScatterPlan plan;
    plan.build(a.view(scale), ranges);
    Block<T> z(a.inner, b);
    std::fill_n(z.data(), z.rows() * z.ld(), T(3));
    spmm_scatter<T>(a.view(scale), plan, w.view(), z.view());
    CHECK(worst_error<T>(z.view(), multiply(transpose(e), exact(w.view())),
                         multiply(transpose(size), absolute(exact(w.view())))) < bound);
    CHECK(padding_is_zero(z));
  }
}

template <class S, class P, class I>
void check_all_shapes() {
  for (const Order order : {Order::sorted, Order::unsorted, Order::duplicates})
    for (const auto& [outer, inner] : std::vector<std::pair<Index, Index>>{{1, 1}, {1, 50}, {50, 1}, {67, 31}, {20, 90}}) {
      const auto a = random_compressed<S, P, I>(outer, inner, 0.1, order, 3);
      for (const Index b : {1, 17, 70}) {
        check_spmm<float>(a, b);
        check_spmm<double>(a, b);
      }
    }
}

}  // namespace

TEST("spmm: equals the slow product for every index width, order and precision") {
  with_threads(1, [] {  // thousands of tiny products: waking threads would be all the time they take
    check_all_shapes<float, std::int32_t, std::int32_t>();
    check_all_shapes<double, std::int32_t, std::int32_t>();
    check_all_shapes<float, std::int64_t, std::int32_t>();
    check_all_shapes<double, std::int64_t, std::int64_t>();
  });
}

TEST("spmm: matrices without entries, rows or columns") {
  for (const auto& [outer, inner] : std::vector<std::pair<Index, Index>>{{0, 0}, {0, 5}, {5, 0}, {5, 7}}) {
    Compressed<double, std::int32_t, std::int32_t> a;
    a.outer = outer;
    a.inner = inner;
    a.indptr.assign(static_cast<std::size_t>(outer + 1), 0);
    check_spmm<double>(a, 3);
  }
}

TEST("spmm: matrices with enough entries for a scatter in two parts") {
  for (const Order order : {Order::sorted, Order::unsorted, Order::duplicates}) {
    const auto a = random_compressed<double, std::int32_t, std::int32_t>(90, 40, 0.5, order, 6);
    CHECK(a.view().scatter_parts() == 2);
    for (const Index b : {1, 17, 70}) check_spmm<double>(a, b), check_spmm<float>(a, b);
  }
}

TEST("spmm: wide blocks, scattered in narrow pieces, have the bits of their columns alone") {
  const Index inner = 20000, wide = 120;
  const auto a = random_compressed<double, std::int32_t, std::int32_t>(400, inner, 0.03, Order::sorted, 7);
  CHECK(a.view().scatter_parts() == 2);
  const auto x = random_block<double>(a.outer, wide, 1);
  ScatterPlan plan;
  plan.build(a.view(), 3);
  Block<double> z(inner, wide), narrow(inner, 8);
  CHECK(z.rows() * z.ld() * 8 > (16 << 20));
  spmm_scatter<double>(a.view(), plan, x.view(), z.view());
  for (const Index j : {0, 56, 112}) {
    spmm_scatter<double>(a.view(), plan, BlockView<const double>{x.data() + j, x.rows(), 8, x.ld()}, narrow.view());
    bool same = true;
    for (Index i = 0; i < inner; ++i)
      for (Index k = 0; k < 8; ++k) same &= narrow(i, k) == z(i, j + k);
    CHECK(same);
  }
}

TEST("spmm: scale multiplies every entry") {
  const auto a = random_compressed<double, std::int32_t, std::int32_t>(40, 30, 0.2, Order::unsorted, 4);
  check_spmm<double>(a, 5, 0x1p-40);
  check_spmm<float>(a, 5, 0x1p20);
}

TEST("spmm: a skewed matrix, most entries in one column") {
  auto a = random_compressed<double, std::int64_t, std::int32_t>(500, 2000, 0.002, Order::sorted, 5);
  for (std::size_t p = 0; p < a.indices.size(); ++p) a.indices[p] = p % 5 == 0 ? a.indices[p] : 1999;
  check_spmm<double>(a, 4);
}

TEST("spmm: the same bits on 1, 2, 3 and 7 threads, for any number of ranges and any index width") {
  for (const Order order : {Order::sorted, Order::unsorted, Order::duplicates}) {
    const auto a = random_compressed<float, std::int32_t, std::int32_t>(3000, 700, 0.03, order, 6);
    Compressed<float, std::int64_t, std::int64_t> wide;
    wide.outer = a.outer;
    wide.inner = a.inner;
    wide.indptr.assign(a.indptr.begin(), a.indptr.end());
    wide.indices.assign(a.indices.begin(), a.indices.end());
    wide.data = a.data;
    const auto x = random_block<double>(700, 20, 7), w = random_block<double>(3000, 20, 8);
    const auto gather = [&](const auto& m) {
      Block<double> y(3000, 20);
      spmm_gather<double>(m.view(), x.view(), y.view());
      return y;
    };
    const auto scatter = [&](const auto& m, Index ranges) {
      ScatterPlan plan;
      plan.build(m.view(), ranges);
      Block<double> y(700, 20);
      spmm_scatter<double>(m.view(), plan, w.view(), y.view());
      return y;
    };
    CHECK(same_on_all_threads([&] { return gather(a); }));
    CHECK(same_on_all_threads([&] { return scatter(a, max_threads()); }));
    CHECK(same_bits(gather(a).view(), gather(wide).view()));
    CHECK(same_bits(scatter(a, 1).view(), scatter(wide, 16).view()));
  }
}

TEST("spmm: a plan knows whether slices are sorted, and its ranges cover") {
  for (const Order order : {Order::sorted, Order::unsorted}) {
    const auto a = random_compressed<double, std::int32_t, std::int32_t>(200, 100, 0.2, order, 9);
    ScatterPlan plan;
    plan.build(a.view(), 5);
    CHECK((plan.order() == nullptr) == (order == Order::sorted || plan.ranges() == 1));
    CHECK(plan.ranges() == 5 && plan.bound(0) == 0 && plan.bound(5) == 100);
    for (Index r = 0; r < 5; ++r) CHECK(plan.bound(r) <= plan.bound(r + 1));
  }
}

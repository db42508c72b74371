#include "corange/operators/sparse.hpp"

#include "check.hpp"
#include "compressed.hpp"
#include "operators.hpp"

using namespace corange;
using namespace operators;

namespace {

template <class S, class P, class I>
SparseOperator<S, I> make(const Compressed<S, P, I>& a, bool by_rows) {
  return SparseOperator<S, I>(a.view(), a.stored(), by_rows);
}

template <class S, class P, class I>
void check_sparse() {
  with_threads(1, [] {
    for (const Order order : {Order::sorted, Order::unsorted, Order::duplicates})
      for (const auto& [outer, inner] : std::vector<std::pair<Index, Index>>{{1, 1}, {1, 30}, {30, 1}, {41, 26}}) {
        const auto a = random_compressed<S, P, I>(outer, inner, 0.2, order, 1);
        const Exact e = a.dense(), size = a.dense_absolute();
        const auto csr = make(a, true), csc = make(a, false);
        check_operator(csr, e, size);
        check_operator(csc, transpose(e), transpose(size));
        CHECK(csr.entries() == static_cast<double>(a.stored()));
      }
  });
}

template <class Fn>
std::string message_of(Fn&& fn) {
  try {
    fn();
  } catch (const InvalidArgument& e) {
    return e.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST("sparse: equals the matrix for every index width, order and orientation") {
  check_sparse<float, std::int32_t, std::int32_t>();
  check_sparse<double, std::int64_t, std::int32_t>();
}

TEST("sparse: other index widths return the same bits") {
  const auto a = random_compressed<double, std::int32_t, std::int32_t>(80, 60, 0.1, Order::unsorted, 2);
  const auto b = random_compressed<double, std::int64_t, std::int64_t>(80, 60, 0.1, Order::unsorted, 2);
  const auto c = random_compressed<double, std::int64_t, std::int32_t>(80, 60, 0.1, Order::unsorted, 2);
  for (const bool by_rows : {true, false}) {
    CHECK(same_products(make(a, by_rows), make(b, by_rows)));
    CHECK(same_products(make(a, by_rows), make(c, by_rows)));
  }
}

TEST("sparse: no rows, no columns, no entries") {
  for (const auto& [outer, inner] : std::vector<std::pair<Index, Index>>{{0, 4}, {4, 0}, {6, 7}}) {
    Compressed<double, std::int32_t, std::int32_t> a;
    a.outer = outer;
    a.inner = inner;
    a.indptr.assign(static_cast<std::size_t>(outer + 1), 0);
    check_operator(make(a, true), a.dense());
    check_scan(make(a, true), a.dense());
  }
}

TEST("sparse: the same bits on 1, 2, 3 and 7 threads") {
  for (const Order order : {Order::sorted, Order::duplicates}) {
    const auto a = random_compressed<double, std::int32_t, std::int32_t>(4000, 300, 0.05, order, 3);
    check_threads(make(a, true));
    check_threads(make(a, false));
  }
}

TEST("sparse: products with arrays, in one part and in two, in groups of columns too") {
  for (const double density : {0.01, 0.3}) {
    const auto a = random_compressed<double, std::int32_t, std::int32_t>(300, 150, density, Order::duplicates, 4);
    for (const bool by_rows : {true, false})
      for (const Index b : {3, 16, 60}) check_arrays<double>(make(a, by_rows), b), check_arrays<float>(make(a, by_rows), b);
  }
  const auto wide = random_compressed<double, std::int32_t, std::int32_t>(400, 20000, 0.03, Order::sorted, 7);
  CHECK(detail::columns_at_once<double>(20000, 120) == 16);
  check_arrays<double>(make(wide, true), 120);
}

TEST("sparse: scan sees what is stored") {
  auto a = random_compressed<float, std::int32_t, std::int32_t>(70, 50, 0.2, Order::sorted, 4);
  check_scan(make(a, true), a.dense());
  check_scan(make(a, false), transpose(a.dense()));
  const auto at = static_cast<std::size_t>(a.indptr[20]) + 2;
  a.data[at] = std::numeric_limits<float>::quiet_NaN();
  a.data.back() = std::numeric_limits<float>::infinity();
  const Scan csr = make(a, true).scan(), csc = make(a, false).scan();
  CHECK(csr.bad == 2 && csr.bad_row == 20 && csr.bad_col == a.indices[at]);
  CHECK(csc.bad == 2 && csc.bad_col == 20 && csc.bad_row == a.indices[at]);
}

TEST("sparse: scan counts duplicates as their sum") {
  for (const Order order : {Order::unsorted, Order::duplicates}) {
    const auto a = random_compressed<double, std::int32_t, std::int32_t>(90, 40, 0.2, order, 6);
    Exact e = a.dense();
    for (long double& x : e.data) x = static_cast<double>(x);
    const Scan s = make(a, true).scan();
    long double sum = 0, most = 0;
    for (const long double x : e.data) sum += x * x, most = std::max(most, std::abs(x));
    CHECK_CLOSE(std::ldexp(s.sum_squares, 2 * s.exponent) / static_cast<double>(sum), 1.0, 1e-13);
    CHECK_CLOSE(s.max_abs, most, 1e-14);
    auto bad = a;
    bad.data[static_cast<std::size_t>(bad.indptr[5])] = std::numeric_limits<double>::infinity();
    const Scan t = make(bad, false).scan();
    CHECK(t.bad == 1 && t.bad_col == 5 && t.bad_row == bad.indices[static_cast<std::size_t>(bad.indptr[5])]);
  }
}

TEST("sparse: malformed structures are refused, and the message says why") {
  using Matrix = Compressed<double, std::int64_t, std::int32_t>;
  const Matrix good = random_compressed<double, std::int64_t, std::int32_t>(10, 8, 0.5, Order::sorted, 5);
  const auto refused = [&](auto&& spoil) {
    Matrix a = good;
    spoil(a);
    return message_of([&] { make(a, true); });
  };
  CHECK(message_of([&] { make(good, true); }).empty());
  CHECK(contains(refused([](Matrix& a) { a.indptr[0] = 1; }), "indptr[0] = 1"));
  CHECK(contains(refused([](Matrix& a) { a.indptr[4] = a.indptr[3] - 1; }), "decreases"));
  CHECK(contains(refused([](Matrix& a) { a.indptr.back() += 1; }), "entries are stored"));
  CHECK(contains(refused([](Matrix& a) { a.indptr.back() = -1; }), "decreases"));
  CHECK(contains(refused([](Matrix& a) { a.indices[3] = 8; }), "column index 8"));
  CHECK(contains(refused([](Matrix& a) { a.indices[3] = -1; }), "column index -1"));
  CHECK(contains(refused([](Matrix& a) { a.inner = 0; }), "outside"));
  Matrix csc = good;
  csc.indices.back() = 1 << 30;
  CHECK(contains(message_of([&] { make(csc, false); }), "row index 1073741824"));
  Matrix longer = good;  // SciPy allows arrays that are longer than indptr says
  longer.indices.push_back(99);
  longer.data.push_back(99);
  CHECK(message_of([&] { make(longer, true); }).empty());
}

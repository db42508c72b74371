#include "corange/sketch/sparse_sign.hpp"

#include <set>

#include "check.hpp"
#include "compressed.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

/// S[:, offset : offset + count], entry by entry.
Exact explicit_sketch(const SparseSign& s, Index offset, Index count) {
  SparseSignColumns columns(s);
  columns.draw(offset, count);
  Exact e(s.size, count);
  for (Index j = 0; j < count; ++j)
    for (Index t = 0; t < s.nnz; ++t)
      e(SparseSignColumns::row(columns[j][t]), j) +=
          SparseSignColumns::sign<long double>(columns[j][t]) / std::sqrt((long double)s.nnz);
  return e;
}

template <class T>
Block<T> applied(const SparseSign& s, StridedView<T> a, Index offset = 0) {
  Block<T> out(s.size, a.cols);
  sparse_sign_apply<T>(s, a, out.view(), offset);
  return out;
}

/// The CSC form of a CSR matrix (sorted), and the dense one.
template <class S, class P, class I>
Compressed<S, P, I> other_order(const Compressed<S, P, I>& a) {
  Compressed<S, P, I> b;
  b.outer = a.inner;
  b.inner = a.outer;
  for (Index c = 0; c < a.inner; ++c) {
    for (Index o = 0; o < a.outer; ++o)
      for (auto p = static_cast<std::size_t>(a.indptr[static_cast<std::size_t>(o)]);
           p < static_cast<std::size_t>(a.indptr[static_cast<std::size_t>(o) + 1]); ++p)
        if (static_cast<Index>(a.indices[p]) == c) {
          b.indices.push_back(static_cast<I>(o));
          b.data.push_back(a.data[p]);
        }
    b.indptr.push_back(static_cast<P>(b.indices.size()));
  }
  return b;
}

}  // namespace

TEST("sparse sign: every column has nnz distinct rows, also when it is full") {
  for (const auto& [size, nnz] : std::vector<std::pair<Index, Index>>{{1, 1}, {5, 1}, {8, 8}, {40, 33}, {70, 70}, {1000, 8}}) {
    SparseSignColumns columns({size, nnz, {3, 4}});
    columns.draw(17, 1500);
    for (Index j = 0; j < 1500; ++j) {
      std::set<Index> rows;
      for (Index t = 0; t < nnz; ++t) rows.insert(SparseSignColumns::row(columns[j][t]));
      CHECK(static_cast<Index>(rows.size()) == nnz && *rows.begin() >= 0 && *rows.rbegin() < size);
    }
  }
}

TEST("sparse sign: a column does not depend on which columns are drawn with it, nor on threads") {
  const SparseSign s{300, 40, {1, 2}};
  SparseSignColumns all(s);
  all.draw(0, 3000);
  for (const int threads : {1, 2, 3, 7})
    with_threads(threads, [&] {
      SparseSignColumns part(s);
      part.draw(1234, 1000);
      CHECK(std::memcmp(part[0], all[1234], sizeof(SparseSignColumns::Code) * 40 * 1000) == 0);
    });
}

TEST("sparse sign: rows, pairs of rows and signs are uniform (chi-square, fails once in 1e6 seeds; the seed is fixed)") {
  // A chi-square variable with k degrees of freedom exceeds k + 5.2 sqrt(2 k) + 20 with a probability below 1e-6 for k >= 10.
  const auto legal = [](double statistic, double k) { return statistic < k + 5.2 * std::sqrt(2 * k) + 20; };
  const Index size = 12, count = 60000;
  for (const Index nnz : {1, 2, 5}) {
    SparseSignColumns columns({size, nnz, {11, 5}});
    columns.draw(0, count);
    std::vector<double> rows(2 * size), pairs(size * size);
    for (Index j = 0; j < count; ++j)
      for (Index t = 0; t < nnz; ++t) {
        rows[columns[j][t]] += 1;
        for (Index u = 0; u < nnz; ++u)
          if (u != t) pairs[SparseSignColumns::row(columns[j][t]) * size + SparseSignColumns::row(columns[j][u])] += 1;
      }
    double chi = 0, expected = static_cast<double>(count * nnz) / (2 * size);
    for (const double n : rows) chi += (n - expected) * (n - expected) / expected;
    CHECK(legal(chi, 2 * size - 1));
    if (nnz == 1) continue;
    chi = 0;
    expected = static_cast<double>(count * nnz * (nnz - 1)) / (size * (size - 1));
    for (Index i = 0; i < size; ++i)
      for (Index k = 0; k < i; ++k) {
        const double n = pairs[i * size + k];  // each pair is met twice, symmetrically
        chi += (n - expected) * (n - expected) / expected;
      }
    CHECK(legal(chi, size * (size - 1) / 2 - 1));
  }
}

TEST("sparse sign: bounds near 2^31 are reached, in thirds that are equal (8 standard deviations)") {
  const Index size = (Index{1} << 31) - 1, count = 30000;
  SparseSignColumns columns({size, 1, {2, 2}});
  columns.draw(0, count);
  double thirds[3] = {};
  for (Index j = 0; j < count; ++j) thirds[3 * SparseSignColumns::row(columns[j][0]) / size] += 1;
  for (const double n : thirds) CHECK_CLOSE(n, count / 3.0, 8 * std::sqrt(count * 2 / 9.0));
}

template <class T>
void check_dense() {
  for (const auto& [rows, cols] : std::vector<std::pair<Index, Index>>{{1, 1}, {7, 3}, {100, 17}, {130, 64}, {300, 200}, {0, 4}})
    for (const Index nnz : {1, 4, 8}) {
      const SparseSign s{20, nnz, {5, 6}};
      const auto a = random_block<T>(rows, cols, 1);
      const Exact e = explicit_sketch(s, 9, rows);
      const auto out = applied<T>(s, strided(a.view()), 9);
      CHECK(worst_error<T>(out.view(), multiply(e, exact(a.view())), multiply(absolute(e), absolute(exact(a.view())))) < 20);
      CHECK(padding_is_zero(out));
      Block<T> flipped(cols, rows);
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < cols; ++j) flipped(j, i) = a(i, j);
      CHECK(same_bits(out.view(), applied<T>(s, transposed(flipped.view()), 9).view()));
    }
}

TEST("sparse sign: dense product of any shape equals the slow one; column-major gives the same bits") {
  with_threads(1, [] {
    check_dense<float>();
    check_dense<double>();
  });
}

TEST("sparse sign: rows that are gathered give the bits of rows added one by one, whatever the part of them and its strides") {
  const SparseSign s{40, 5, {5, 6}};
  const auto a = random_block<double>(700, 150, 1);
  const auto check = [&]<class T>(T) {
    CHECK(detail::gathers(s, 700, 150) && !detail::gathers(s, 10, 150) && !detail::gathers(s, 700, 30));
    Block<T> gathered(40, 150), added(40, 150), narrow(40, 150), flipped(40, 150);
    sparse_sign_apply<T>(s, strided(a.view()), gathered.view(), 3);
    for (Index row = 0; row < 700; row += 10)
      sparse_sign_apply<T>(s, strided(a.view()).middle_rows(row, 10), added.view(), 3 + row);
    for (Index col = 0; col < 150; col += 16)
      sparse_sign_apply<T>(s, StridedView<double>{a.data() + col, 700, std::min<Index>(16, 150 - col), a.ld(), 1},
                           BlockView<T>{narrow.data() + col, 40, std::min<Index>(16, 150 - col), narrow.ld()}, 3);
    Block<double> turned(150, 700);
    for (Index i = 0; i < 700; ++i)
      for (Index j = 0; j < 150; ++j) turned(j, i) = a(i, j);
    sparse_sign_apply<T>(s, transposed(turned.view()), flipped.view(), 3);
    for (const auto& other : {added.view(), narrow.view(), flipped.view()}) CHECK(same_bits(gathered.view(), other));
    CHECK(padding_is_zero(gathered));
  };
  check(float{});
  check(double{});
}

TEST("sparse sign: strides of any sign and step, and other precision") {
  const SparseSign s{30, 3, {5, 6}};
  const auto wide = random_block<double>(200, 90, 2);
  const StridedView<double> view{&wide(199, 80), 100, 40, -2 * wide.ld(), -2};
  Block<double> copy(100, 40);
  Block<float> narrow(100, 40);
  for (Index i = 0; i < 100; ++i)
    for (Index j = 0; j < 40; ++j) narrow(i, j) = static_cast<float>(copy(i, j) = view(i, j));
  CHECK(same_bits(applied<double>(s, view).view(), applied<double>(s, strided(copy.view())).view()));
  for (Index i = 0; i < 100; ++i)
    for (Index j = 0; j < 40; ++j) copy(i, j) = static_cast<double>(narrow(i, j));
  Block<double> out(30, 40);
  sparse_sign_apply<double>(s, strided(narrow.view()), out.view());
  CHECK(same_bits(out.view(), applied<double>(s, strided(copy.view())).view()));
}

TEST("sparse sign: CSR and CSC give the bits of dense, for every index width") {
  const SparseSign s{25, 5, {7, 8}};
  const auto check = [&]<class T, class P, class I>(T, P, I) {
    const auto rows = random_compressed<T, P, I>(150, 40, 0.1, Order::sorted, 3);
    const auto columns = other_order(rows);
    const Exact e = rows.dense();
    Block<T> a(150, 40), by_rows(25, 40), by_columns(25, 40);
    for (Index i = 0; i < 150; ++i)
      for (Index j = 0; j < 40; ++j) a(i, j) = static_cast<T>(e(i, j));
    sparse_sign_apply_rows<T>(s, rows.view(), by_rows.view(), 4);
    sparse_sign_apply_columns<T>(s, columns.view(), by_columns.view(), 4);
    const auto dense = applied<T>(s, strided(a.view()), 4);
    CHECK(same_bits(dense.view(), by_rows.view()));
    CHECK(same_bits(dense.view(), by_columns.view()));
  };
  check(float{}, std::int32_t{}, std::int32_t{});
  check(double{}, std::int64_t{}, std::int32_t{});
  check(double{}, std::int64_t{}, std::int64_t{});
}

TEST("sparse sign: unsorted and duplicate entries add up") {
  const SparseSign s{25, 5, {7, 8}};
  for (const Order order : {Order::unsorted, Order::duplicates}) {
    const auto a = random_compressed<double, std::int32_t, std::int32_t>(60, 50, 0.1, order, 3);
    Block<double> by_rows(25, 50), by_columns(25, 60);
    sparse_sign_apply_rows<double>(s, a.view(), by_rows.view());
    sparse_sign_apply_columns<double>(s, a.view(), by_columns.view());
    const Exact e = explicit_sketch(s, 0, 60), f = explicit_sketch(s, 0, 50), d = a.dense(), size = a.dense_absolute();
    CHECK(worst_error<double>(by_rows.view(), multiply(e, d), multiply(absolute(e), size)) < 20);
    CHECK(worst_error<double>(by_columns.view(), multiply(f, transpose(d)), multiply(absolute(f), transpose(size))) < 20);
  }
}

TEST("sparse sign: row blocks one after another give the bits of the whole, across panels") {
  const SparseSign s{50, 8, {1, 1}};
  const Index rows = 2 * detail::kSignPanel + 77;
  const auto a = random_block<float>(rows, 5, 4);
  const auto whole = applied<float>(s, strided(a.view()));
  Block<float> sum(50, 5);
  for (Index row = 0; row < rows;) {
    const Index count = std::min<Index>(rows - row, 1 + row % 9999);
    sparse_sign_apply<float>(s, strided(a.view()).middle_rows(row, count), sum.view(), row);
    row += count;
  }
  CHECK(same_bits(whole.view(), sum.view()));
}

TEST("sparse sign: the same bits on 1, 2, 3 and 7 threads") {
  const SparseSign s{200, 8, {1, 1}};
  const auto a = random_block<double>(5000, 70, 4), y = random_block<double>(200, 70, 5);
  const auto rows = random_compressed<double, std::int32_t, std::int32_t>(4000, 300, 0.05, Order::unsorted, 6);
  const auto make = [&](Index cols, const auto& fill) {
    Block<double> out(200, cols);
    fill(out.view());
    return out;
  };
  CHECK(same_on_all_threads([&] { return applied<double>(s, strided(a.view())); }));
  CHECK(same_on_all_threads(
      [&] { return make(300, [&](BlockView<double> out) { sparse_sign_apply_rows<double>(s, rows.view(), out); }); }));
  CHECK(same_on_all_threads(
      [&] { return make(4000, [&](BlockView<double> out) { sparse_sign_apply_columns<double>(s, rows.view(), out); }); }));
  CHECK(same_on_all_threads([&] {
    Block<double> x(5000, 70);
    sparse_sign_adjoint<double>(s, y.view(), x.view());
    return x;
  }));
}

TEST("sparse sign: the adjoint is the transpose") {
  const SparseSign s{30, 3, {4, 4}};
  const auto y = random_block<double>(30, 11, 4);
  Block<double> x(100, 11);
  std::fill_n(x.data(), x.rows() * x.ld(), 3.0);
  sparse_sign_adjoint<double>(s, y.view(), x.view(), 5);
  const Exact e = transpose(explicit_sketch(s, 5, 100));
  CHECK(worst_error<double>(x.view(), multiply(e, exact(y.view())), multiply(absolute(e), absolute(exact(y.view())))) < 20);
}

TEST("sparse sign: squared norms are kept on average (5 standard deviations over 2000 seeds)") {
  // Var ||Sx||^2 <= 2 / size for ||x|| = 1, whatever nnz is.
  const auto a = random_block<double>(64, 1, 9);
  double norm = 0, sum = 0;
  for (Index i = 0; i < 64; ++i) norm += a(i, 0) * a(i, 0);
  for (const Index nnz : {1, 8}) {
    sum = 0;
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
      const auto out = applied<double>({16, nnz, {seed, 0}}, strided(a.view()));
      for (Index i = 0; i < 16; ++i) sum += out(i, 0) * out(i, 0) / norm;
    }
    CHECK_CLOSE(sum / 2000, 1.0, 5 * std::sqrt(2.0 / 16 / 2000));
  }
}

TEST("sparse sign: illegal arguments are refused") {
  const auto a = random_block<double>(10, 3, 1);
  const auto run = [&](Index size, Index nnz, Index cols, Index offset) {
    Block<double> out(4, cols);
    sparse_sign_apply<double>({size, nnz, {}}, strided(a.view()), out.view(), offset);
  };
  run(4, 4, 3, 0);
  CHECK_THROWS(run(0, 1, 3, 0), InvalidArgument);
  CHECK_THROWS(run(4, 5, 3, 0), InvalidArgument);
  CHECK_THROWS(run(4, 0, 3, 0), InvalidArgument);
  CHECK_THROWS(run(5, 1, 3, 0), InvalidArgument);
  CHECK_THROWS(run(4, 1, 2, 0), InvalidArgument);
  CHECK_THROWS(run(4, 1, 3, -1), InvalidArgument);
  CHECK_THROWS(run(Index{1} << 31, 1, 3, 0), InvalidArgument);
}

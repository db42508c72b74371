// Matrices to test with, slow references in long double, and comparisons.
#pragma once

#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <vector>

#include "check.hpp"
#include "corange/core/parallel.hpp"
#include "corange/core/philox.hpp"
#include "corange/core/types.hpp"

namespace matrices {

using namespace corange;

/// rows x cols of long double, the type in which references are computed.
struct Exact {
  Index rows = 0, cols = 0;
  std::vector<long double> data;

  Exact() = default;
  Exact(Index rows_, Index cols_) : rows(rows_), cols(cols_), data(static_cast<std::size_t>(rows_ * cols_), 0.0L) {}
  long double& operator()(Index i, Index j) { return data[static_cast<std::size_t>(i * cols + j)]; }
  long double operator()(Index i, Index j) const { return data[static_cast<std::size_t>(i * cols + j)]; }
};

template <class View>
Exact exact(const View& x) {
  Exact e(x.rows, x.cols);
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.cols; ++j) e(i, j) = static_cast<long double>(x(i, j));
  return e;
}

inline Exact transpose(const Exact& a) {
  Exact t(a.cols, a.rows);
  for (Index i = 0; i < a.rows; ++i)
    for (Index j = 0; j < a.cols; ++j) t(j, i) = a(i, j);
  return t;
}

inline Exact multiply(const Exact& a, const Exact& b) {
  Exact c(a.rows, b.cols);
  for (Index i = 0; i < a.rows; ++i)
    for (Index p = 0; p < a.cols; ++p) {
      const long double x = a(i, p), *y = b.data.data() + p * b.cols;
      long double* z = c.data.data() + i * b.cols;
      for (Index j = 0; j < b.cols; ++j) z[j] += x * y[j];  // pointers, for builds that do not inline
    }
  return c;
}

inline Exact absolute(Exact a) {
  for (long double& x : a.data) x = std::abs(x);
  return a;
}

/// Largest |x - reference| / (eps_T * magnitude), entry by entry: the error in units of what rounding a sum of that magnitude costs.
template <class T, class View>
double worst_error(const View& x, const Exact& reference, const Exact& magnitude) {
  long double worst = 0;
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.cols; ++j) {
      const long double gap = std::abs(static_cast<long double>(x(i, j)) - reference(i, j));
      if (!(gap == 0)) worst = std::max(worst, gap / (std::numeric_limits<T>::epsilon() * (magnitude(i, j) + 1e-300L)));
      if (std::isnan(gap)) return std::numeric_limits<double>::infinity();
    }
  return static_cast<double>(worst);
}

template <class T>
Block<T> random_block(Index rows, Index cols, std::uint64_t seed) {
  Block<T> x(rows, cols);
  fill_normal<T>(RandomKey{seed, 99}, 0, 0, rows, cols, x.data(), x.ld());
  return x;
}

/// Max |Q'Q - I|.
template <class T>
double loss_of_orthogonality(BlockView<const T> q) {
  const Exact e = exact(q), g = multiply(transpose(e), e);
  long double worst = 0;
  for (Index i = 0; i < g.rows; ++i)
    for (Index j = 0; j < g.cols; ++j) {
      if (std::isnan(g(i, j))) return std::numeric_limits<double>::infinity();
      worst = std::max(worst, std::abs(g(i, j) - (i == j ? 1 : 0)));
    }
  return static_cast<double>(worst);
}

template <class A, class B>
bool same_bits(const A& a, const B& b) {
  if (a.rows != b.rows || a.cols != b.cols) return false;
  for (Index i = 0; i < a.rows; ++i)
    for (Index j = 0; j < a.cols; ++j)
      if (std::memcmp(&a(i, j), &b(i, j), sizeof(a(i, j))) != 0) return false;
  return true;
}

/// Runs fn() with that many threads.
template <class Fn>
void with_threads([[maybe_unused]] int threads, Fn&& fn) {
#if defined(_OPENMP)
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
  fn();
  omp_set_num_threads(before);
#else
  fn();
#endif
}

/// make() returns a Block; checks that its bits are the same on 1, 2, 3 and 7 threads.
template <class Make>
bool same_on_all_threads(Make&& make) {
  bool same = true;
  auto first = make();
  with_threads(1, [&] { first = make(); });
  for (const int threads : {2, 3, 7}) with_threads(threads, [&] { same = same && same_bits(first.view(), make().view()); });
  return same;
}

/// Entries of a block's padding are zero.
template <class T>
bool padding_is_zero(const Block<T>& x) {
  for (Index i = 0; i < x.rows(); ++i)
    for (Index j = x.cols(); j < x.ld(); ++j)
      if (x.data()[i * x.ld() + j] != 0) return false;
  return true;
}

}  // namespace matrices

// Choice of columns: threads, views, ranks, and what stays within reach of a direct computation.
#include "corange/cur/bounded.hpp"
#include "corange/cur/farthest.hpp"
#include "corange/cur/pivoted_lu.hpp"
#include "corange/cur/pivoted_qr.hpp"

#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

template <class T>
Block<T> qr_factor(const Block<T>& y, Index rank, Pivots* pivots = nullptr) {
  Block<T> r(rank, y.cols());
  const Pivots found = pivoted_qr<T>(strided(y.view()), rank, 0, r.view());
  if (pivots) *pivots = found;
  return r;
}

/// Exact squared length of what is left of column j after projecting out the columns `chosen`, by Gram-Schmidt in long double.
std::vector<long double> remaining_lengths(const Exact& y, const std::vector<Index>& chosen, std::size_t count) {
  Exact rest = y;
  for (std::size_t s = 0; s < count; ++s) {
    long double norm = 0;
    std::vector<long double> q(static_cast<std::size_t>(y.rows));
    for (Index i = 0; i < y.rows; ++i) norm += rest(i, chosen[s]) * rest(i, chosen[s]);
    for (Index i = 0; i < y.rows; ++i) q[static_cast<std::size_t>(i)] = rest(i, chosen[s]) / std::sqrt(norm);
    for (Index j = 0; j < y.cols; ++j) {
      long double dot = 0;
      for (Index i = 0; i < y.rows; ++i) dot += q[static_cast<std::size_t>(i)] * rest(i, j);
      for (Index i = 0; i < y.rows; ++i) rest(i, j) -= q[static_cast<std::size_t>(i)] * dot;
    }
  }
  std::vector<long double> lengths(static_cast<std::size_t>(y.cols), 0.0L);
  for (Index j = 0; j < y.cols; ++j)
    for (Index i = 0; i < y.rows; ++i) lengths[static_cast<std::size_t>(j)] += rest(i, j) * rest(i, j);
  return lengths;
}

}  // namespace

TEST("pivoted QR: every pivot is the longest that is left, columns of any size") {
  auto y = random_block<double>(20, 150, 1);
  for (Index j = 0; j < 150; ++j)
    for (Index i = 0; i < 20; ++i) y(i, j) *= std::pow(10.0, -static_cast<double>(j % 9));
  Pivots pivots;
  qr_factor(y, 20, &pivots);
  CHECK(pivots.columns.size() == 20u);
  for (std::size_t t = 0; t < pivots.columns.size(); ++t) {
    const auto lengths = remaining_lengths(exact(y.view()), pivots.columns, t);
    const long double longest = *std::max_element(lengths.begin(), lengths.end());
    CHECK(lengths[static_cast<std::size_t>(pivots.columns[t])] >= longest * (1 - 1e-6L));
  }
}

TEST("pivoted QR: differences far below the common part decide") {
  auto y = random_block<double>(12, 60, 2);
  for (Index j = 0; j < 60; ++j)
    for (Index i = 0; i < 12; ++i) y(i, j) = y(i, j) * 1e-7 + std::cos(static_cast<double>(i));
  Pivots pivots;
  qr_factor(y, 8, &pivots);
  for (std::size_t t = 0; t < pivots.columns.size(); ++t) {
    const auto lengths = remaining_lengths(exact(y.view()), pivots.columns, t);
    const long double longest = *std::max_element(lengths.begin(), lengths.end());
    CHECK(lengths[static_cast<std::size_t>(pivots.columns[t])] >= longest * (1 - 1e-6L));
  }
}

TEST("cur kernels: the same bits on 1, 2, 3 and 7 threads") {
  const auto y = random_block<float>(40, 3000, 3);
  const auto d = random_block<double>(40, 3000, 4);
  CHECK(same_on_all_threads([&] { return qr_factor(y, 30); }));
  CHECK(same_on_all_threads([&] { return qr_factor(d, 30); }));
  const auto indices = [](const std::vector<Index>& chosen) {
    Block<double> b(1, static_cast<Index>(chosen.size()));
    for (std::size_t j = 0; j < chosen.size(); ++j) b(0, static_cast<Index>(j)) = static_cast<double>(chosen[j]);
    return b;
  };
  CHECK(same_on_all_threads([&] { return indices(pivoted_lu<double>(strided(d.view()), 40, 0)); }));
  CHECK(same_on_all_threads([&] { return indices(farthest_columns<double>(strided(d.view()), 40, 0)); }));
}

TEST("pivoted LU: rows that add nothing are passed over") {
  auto y = random_block<double>(9, 50, 5);
  for (Index j = 0; j < 50; ++j) y(0, j) = 0, y(4, j) = y(2, j) - y(3, j);
  const auto chosen = pivoted_lu<double>(strided(y.view()), 9, 1e-12);
  CHECK(chosen.size() == 7u);
  for (std::size_t s = 0; s < chosen.size(); ++s)
    for (std::size_t t = 0; t < s; ++t) CHECK(chosen[s] != chosen[t]);
}

TEST("cur kernels: no rows, no steps, one column, and ranks that do not fit") {
  const auto y = random_block<double>(3, 1, 6);
  CHECK(qr_factor(y, 0).rows() == 0);
  Pivots pivots;
  qr_factor(y, 1, &pivots);
  CHECK(pivots.columns == std::vector<Index>{0});
  CHECK(pivots.remainders.size() == 2u && pivots.remainders[1] <= 1e-30 * pivots.remainders[0]);
  CHECK_THROWS(qr_factor(y, 2), InvalidArgument);
  CHECK_THROWS(pivoted_lu<double>(strided(y.view()), 2, 0), InvalidArgument);
  const Block<double> zero(4, 30);
  qr_factor(zero, 4, &pivots);
  CHECK(pivots.columns.empty());
  CHECK(pivoted_lu<double>(strided(zero.view()), 4, 0).empty());
}

TEST("exchanges: bounded, an identity in the chosen columns, and as many as allowed") {
  auto w = random_block<double>(6, 80, 7);
  std::vector<Index> chosen{0, 1, 2, 3, 4, 5};
  for (Index i = 0; i < 6; ++i)
    for (Index j = 0; j < 6; ++j) w(i, j) = i == j ? 1 : 0;
  CHECK(bound_coefficients<double>(w.view(), chosen, 1.5, 0) == 0);
  CHECK(bound_coefficients<double>(w.view(), chosen, 1.5, 1000) > 0);
  for (Index i = 0; i < 6; ++i)
    for (Index j = 0; j < 80; ++j) CHECK(std::abs(w(i, j)) <= 1.5);
  for (Index i = 0; i < 6; ++i)
    for (std::size_t s = 0; s < 6; ++s) CHECK_CLOSE(w(i, chosen[s]), i == static_cast<Index>(s) ? 1.0 : 0.0, 1e-13);
  CHECK_THROWS(bound_coefficients<double>(w.view(), chosen, 0.5, 1), InvalidArgument);
}

// Column-pivoted QR of a short, wide matrix Y (l x n, such as a sketch of a matrix with n columns):  Y P ~ Q R, k steps.
//
//   1. p = the column whose part outside span(Q) is the longest; stop if that is at most `rcond` times the first one's length.
//   2. q = that part, orthogonalized against Q until it keeps half its length (twice is enough), of length one; append it to Q.
//   3. R(t, :) = q' Y, and squared lengths fall by R(t, :)^2, all in one pass over Y.
//   4. Where cancellation has left a length uncertain that could be the longest, Y -= Q R for the directions since the last
//      time, and all lengths are measured anew.
//
// Cost: 2 l n flops and one reading of Y a step, and 2 l n k for all of 4; R = Q' Y holds for all columns. The pivots are those
// of LAPACK's geqp3 up to ties. Reference: Businger and Golub 1965 (doi:10.1007/BF01436084); for the uncertain lengths, Drmac
// and Bujanovic 2008 (doi:10.1145/1377612.1377616).
#pragma once

#include <cmath>
#include <limits>

#include "corange/core/errors.hpp"
#include "corange/cur/column_tiles.hpp"

namespace corange {

struct Pivots {
  std::vector<Index> columns;      // in the order of choice, distinct
  std::vector<double> remainders;  // ||Y - Q R||_F^2 / 4^exponent, before the first step and after each
  int exponent = 0;                // not 0 where squares would leave the range of numbers
};

template <class T>
class PivotedQr {
 public:
  /// `r` has a row for each step and a column for each of Y's; rows of steps that are not made become zero.
  template <class S>
  PivotedQr(StridedView<S> y, Index rank, BlockView<T> r)
      : exponent_(balancing_exponent(y)),
        y_(y, exponent_),
        q_(static_cast<std::size_t>(rank)),
        r_(r),
        length_(static_cast<std::size_t>(y.cols), 0.0),
        reference_(length_),
        found_(static_cast<std::size_t>(Tiling{y.cols, ColumnTiles<T>::kWidth}.count())) {
    if (r.rows != rank || r.cols != y.cols || rank < 0 || rank > std::min(y.rows, y.cols))
      throw InvalidArgument("pivoted QR: rank = " + std::to_string(rank) + " must lie in 0 .. min(l, n) and R be rank x n");
  }

  Pivots run(double rcond) {
    Pivots pivots = steps(rcond);
    pivots.exponent = exponent_;
    if (exponent_ != 0)
      for (Index t = 0; t < r_.rows; ++t)
        for (Index j = 0; j < r_.cols; ++j) r_(t, j) = std::ldexp(r_(t, j), exponent_);
    return pivots;
  }

 private:
  Pivots steps(double rcond) {
    Pivots pivots;
    measure();
    double least = 0;
    for (Index t = 0; t < r_.rows; ++t) {
      const Largest next = largest();
      pivots.remainders.push_back(remainder());
      if (t == 0) least = rcond * rcond * next.value;
      if (!std::isfinite(next.value)) throw NumericalError("pivoted QR met NaN or infinity");
      if (next.value <= least || next.value == 0) return pivots;
      if (!append(next.index, std::sqrt(least))) return pivots;
      pivots.columns.push_back(next.index);
      project(t, next.index);
    }
    largest();  // where lengths are uncertain they are measured, for what remains at the end
    pivots.remainders.push_back(remainder());
    return pivots;
  }

  struct Found {
    Largest sure, unsure;  // unsure: the most that an uncertain length may be
    double sum = 0;
  };
  static constexpr double kEps = std::numeric_limits<T>::epsilon();

  /// Step 1; step 4 comes first where it is needed.
  Largest largest() {
    Largest sure, unsure;
    for (const Found& f : found_) sure.see(f.sure.value, f.sure.index), unsure.see(f.unsure.value, f.unsure.index);
    if (unsure.value <= sure.value || deflated_ == count_) return unsure.value > sure.value ? unsure : sure;
    deflate();
    return largest();
  }

  double remainder() const {
    double sum = 0;
    for (const Found& f : found_) sum += f.sum;
    return sum;
  }

  /// Step 2; false if nothing is left of the column.
  bool append(Index p, double least) {
    std::vector<T> c = y_.column(p);
    for (Index s = deflated_; s < count_; ++s) subtract(c, s, static_cast<double>(r_(s, p)));
    double norm = std::sqrt(dot(c, c));
    for (int pass = 0; pass < 2; ++pass) {
      const double before = norm;
      for (Index s = 0; s < count_; ++s) subtract(c, s, dot(q_[static_cast<std::size_t>(s)], c));
      norm = std::sqrt(dot(c, c));
      if (norm > 0.5 * before) break;
    }
    if (!(norm > least)) return false;
    for (T& x : c) x = static_cast<T>(static_cast<double>(x) / norm);
    q_[static_cast<std::size_t>(count_)] = std::move(c);
    return true;
  }

  void subtract(std::vector<T>& c, Index s, double factor) const {
    const std::vector<T>& q = q_[static_cast<std::size_t>(s)];
    for (std::size_t i = 0; i < c.size(); ++i) c[i] -= static_cast<T>(factor) * q[i];
  }

  static double dot(const std::vector<T>& a, const std::vector<T>& b) {
    constexpr std::size_t kLanes = 16;  // independent sums, so that the loop is vector instructions
    double sums[kLanes] = {}, sum = 0;
    std::size_t i = 0;
    for (; i + kLanes <= a.size(); i += kLanes)
      for (std::size_t lane = 0; lane < kLanes; ++lane)
        sums[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    for (; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    for (const double part : sums) sum += part;
    return sum;
  }

  /// Step 3.
  void project(Index t, Index chosen) {
    length_[static_cast<std::size_t>(chosen)] = -1;
    const T* q = q_[static_cast<std::size_t>(t)].data();
    y_.for_tiles([&](Index tile, Index col, Index cols) {
      alignas(kAlignment) T row[ColumnTiles<T>::kWidth];
      y_.combine(tile, q, y_.rows(), row);
      for (Index j = 0; j < cols; ++j) {
        r_(t, col + j) = row[j];
        double& length = length_[static_cast<std::size_t>(col + j)];
        if (length >= 0) length = std::max(0.0, length - static_cast<double>(row[j]) * static_cast<double>(row[j]));
      }
      look(tile, col, cols);
    });
    ++count_;
  }

  /// Lengths of the columns of Y, from scratch.
  void measure() {
    y_.for_tiles([&](Index tile, Index col, Index cols) {
      double sums[ColumnTiles<T>::kWidth] = {};
      const BlockView<const T> part = std::as_const(y_).tile(tile);
      for (Index i = 0; i < part.rows; ++i)
        for (Index j = 0; j < part.cols; ++j) sums[j] += static_cast<double>(part(i, j)) * static_cast<double>(part(i, j));
      for (Index j = 0; j < cols; ++j) {
        double& length = length_[static_cast<std::size_t>(col + j)];
        if (length >= 0) reference_[static_cast<std::size_t>(col + j)] = length = sums[j];
      }
      look(tile, col, cols);
    });
  }

  /// Sums up what a tile has to offer. A length that fell by sqrt(eps) is uncertain: rounding may hide some eps of what it was.
  void look(Index tile, Index col, Index cols) {
    static const double kFallen = std::sqrt(kEps);
    Found f;
    for (Index j = col; j < col + cols; ++j) {
      const double length = length_[static_cast<std::size_t>(j)], before = reference_[static_cast<std::size_t>(j)];
      if (length < 0) continue;
      f.sum += length;
      if (length >= kFallen * before)
        f.sure.see(length, j);
      else
        f.unsure.see(length + 100 * kEps * before, j);
      if (std::isnan(length)) f.sure = {std::numeric_limits<double>::infinity(), j};
    }
    found_[static_cast<std::size_t>(tile)] = f;
  }

  /// Step 4.
  void deflate() {
    const Index fresh = count_ - deflated_;
    Block<T> q(y_.rows(), fresh);
    for (Index s = 0; s < fresh; ++s)
      for (Index i = 0; i < y_.rows(); ++i) q(i, s) = q_[static_cast<std::size_t>(deflated_ + s)][static_cast<std::size_t>(i)];
    y_.for_tiles([&](Index tile, Index col, Index cols) {
      Block<T> rows(fresh, ColumnTiles<T>::kWidth);
      for (Index s = 0; s < fresh; ++s)
        for (Index j = 0; j < cols; ++j) rows(s, j) = r_(deflated_ + s, col + j);
      panel_product<T>(strided(q.view()), rows.view(), y_.tile(tile), Store::subtract);
    });
    deflated_ = count_;
    measure();
  }

  int exponent_;
  ColumnTiles<T> y_;
  std::vector<std::vector<T>> q_;
  BlockView<T> r_;
  std::vector<double> length_, reference_;  // squared; of chosen columns -1
  std::vector<Found> found_;                // of each tile
  Index count_ = 0, deflated_ = 0;
};

/// Columns of Y by pivoted QR, at most `rank` of them, and R = Q' Y, all computed in T.
template <class T, class S>
Pivots pivoted_qr(StridedView<S> y, Index rank, double rcond, BlockView<T> r) {
  return PivotedQr<T>(y, rank, r).run(rcond);
}

}  // namespace corange

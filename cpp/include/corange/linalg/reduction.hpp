// Orthogonal reductions to bidiagonal and to tridiagonal form, by panels, on all threads.
//
//   A = Q_l [B; 0] Q_r',  B upper bidiagonal        A = Q T Q',  A symmetric, T tridiagonal
//
//   1. Column by column (and row by row) of a panel: bring it up to date by what the panel's earlier reflectors did, make the next
//      reflector of it, and multiply the rest of A, as it was before the panel, with that.
//   2. After the panel, the rest of A: two products.
// Half of the flops are products of matrix and vector, bound by memory or a shared cache; the others, and Q C, of matrices.
//
// Cost: 4 m n^2 - 4/3 n^3 and 4/3 n^3 flops, products of all of a symmetric matrix counted half. Memory: copies of A and of the
// reflectors, (m + n) n numbers each.
// References: Dongarra, Sorensen & Hammarling 1989 (DOI 10.1016/0377-0427(89)90367-1); Schreiber & Van Loan 1989
// (DOI 10.1137/0910005, products of reflectors).
#pragma once

#include <Eigen/Householder>

#include <algorithm>
#include <utility>
#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/linalg/small_types.hpp"

namespace corange::detail {

inline constexpr Index kPanel = 24;

/// y = A'x and y = A x, the same bits on any number of threads.
template <class Matrix, class Vector>
SmallVector multiply_adjoint_shared(const Matrix& a, const Vector& x) {
  SmallVector y(a.cols());
  const Tiling tiles = tiling(a.cols(), 16, 64);
  parallel_for(tiles.count(), a.size(), [&](Index t) {
    y.segment(tiles.begin(t), tiles.size(t)).noalias() = a.middleCols(tiles.begin(t), tiles.size(t)).transpose() * x;
  });
  return y;
}
template <class Matrix, class Vector>
SmallVector multiply_shared(const Matrix& a, const Vector& x) {
  SmallVector y(a.rows());
  const Tiling tiles = tiling(a.rows(), 16, 128);
  parallel_for(tiles.count(), a.size(), [&](Index t) {
    y.segment(tiles.begin(t), tiles.size(t)).noalias() = a.middleRows(tiles.begin(t), tiles.size(t)) * x;
  });
  return y;
}

/// H_0 H_1 ...,  H_j = I - tau_j v_j v_j',  v_j 1 at entry j + offset and 0 before.
class Reflectors {
 public:
  Reflectors(Index rows, Index count, Index offset)
      : offset_(offset), v_(SmallMatrix::Zero(rows, count)), tau_(SmallVector::Zero(count)) {}

  double tau(Index j) const { return tau_(j); }
  auto tail(Index j) { return v_.col(j).tail(v_.rows() - j - offset_); }

  /// The j-th, which takes x, entries j + offset and beyond, to the first unit vector times what is returned.
  template <class Vector>
  double make(Index j, const Vector& x) {
    double image = 0;
    auto v = tail(j);
    auto rest = v.tail(v.size() - 1);
    x.makeHouseholder(rest, tau_(j), image);
    v(0) = 1;
    return image;
  }

  /// Of reflectors [first, first + count), entries from `row` on.
  auto part(Index first, Index count, Index row) const { return v_.block(row, first, v_.rows() - row, count); }

  /// C <- H_0 H_1 ... C, by blocks I - V T V'.
  void apply(SmallMatrix& c) const {
    const Tiling blocks{v_.cols(), 48}, strips{c.cols(), 64};
    std::vector<SmallMatrix> factors;
    for (Index b = 0; b < blocks.count(); ++b) factors.push_back(triangular_factor(blocks.begin(b), blocks.size(b)));
    parallel_for(strips.count(), c.size() * v_.cols(), [&](Index s) {
      for (Index b = blocks.count() - 1; b >= 0; --b) {
        check_interrupt();
        const auto v = part(blocks.begin(b), blocks.size(b), blocks.begin(b) + offset_);
        auto rows = c.block(blocks.begin(b) + offset_, strips.begin(s), v.rows(), strips.size(s));
        const SmallMatrix products = factors[static_cast<std::size_t>(b)] * (v.transpose() * rows);
        rows.noalias() -= v * products;
      }
    });
  }

 private:
  SmallMatrix triangular_factor(Index first, Index count) const {
    const auto v = part(first, count, first + offset_);
    const SmallMatrix products = v.transpose() * v;
    SmallMatrix t = SmallMatrix::Zero(count, count);
    for (Index j = 0; j < count; ++j) {
      t(j, j) = tau_(first + j);
      t.col(j).head(j) = -t(j, j) * (t.topLeftCorner(j, j) * products.col(j).head(j));
    }
    return t;
  }

  Index offset_;
  SmallMatrix v_;
  SmallVector tau_;
};

/// A <- A - V Y' - X U', by columns.
template <class Matrix, class V, class Y, class X, class U>
void subtract_products(Matrix a, const V& v, const Y& y, const X& x, const U& u) {
  const Tiling tiles = tiling(a.cols(), 32, 32);
  parallel_for(tiles.count(), a.size() * v.cols(), [&](Index t) {
    const Index begin = tiles.begin(t), count = tiles.size(t);
    auto columns = a.middleCols(begin, count);
    columns.noalias() -= v * y.middleRows(begin, count).transpose();
    columns.noalias() -= x * u.middleRows(begin, count).transpose();
  });
}

/// A m x n, m >= n.
class Bidiagonalization {
 public:
  explicit Bidiagonalization(SmallMatrix a)
      : left(a.rows(), a.cols(), 0),
        right(a.cols(), std::max<Index>(a.cols() - 1, 0), 1),
        diagonal(a.cols()),
        beside(std::max<Index>(a.cols() - 1, 0)),
        a_(std::move(a)) {
    const Tiling panels{a_.cols(), kPanel};
    for (Index p = 0; p < panels.count(); ++p) reduce(panels.begin(p), panels.size(p));
  }

  Reflectors left, right;
  SmallVector diagonal, beside;

 private:
  /// Of earlier columns j of the panel, left reflectors go with Y_j and right ones with X_j: A - V Y' - X U'.
  void reduce(Index first, Index count) {
    const Index m = a_.rows(), n = a_.cols(), end = first + count;
    SmallMatrix x(m, count), y(n, count);
    for (Index p = 0; p < count; ++p) {
      const Index i = first + p;
      auto column = a_.col(i).tail(m - i);
      column -= left.part(first, p, i) * y.row(i).head(p).transpose();
      column -= x.block(i, 0, m - i, p) * right.part(first, p, i).row(0).transpose();
      diagonal(i) = left.make(i, column);
      if (i + 1 == n) return;
      y.col(p).tail(n - i - 1) = image_of_left(i, p, x, y);
      SmallVector row = a_.row(i).tail(n - i - 1);
      row -= y.block(i + 1, 0, n - i - 1, p + 1) * left.part(first, p + 1, i).row(0).transpose();
      row -= right.part(first, p, i + 1) * x.row(i).head(p).transpose();
      beside(i) = right.make(i, row);
      x.col(p).tail(m - i - 1) = image_of_right(i, p, x, y);
    }
    subtract_products(a_.bottomRightCorner(m - end, n - end), left.part(first, count, end), y.bottomRows(n - end),
                      x.bottomRows(m - end), right.part(first, count, end));
  }

  /// tau (A - V Y' - X U')'v
  SmallVector image_of_left(Index i, Index p, const SmallMatrix& x, const SmallMatrix& y) {
    const Index m = a_.rows(), n = a_.cols(), first = i - p;
    const auto v = left.tail(i);
    SmallVector image = multiply_adjoint_shared(a_.bottomRightCorner(m - i, n - i - 1), v);
    image -= y.block(i + 1, 0, n - i - 1, p) * (left.part(first, p, i).transpose() * v);
    image -= right.part(first, p, i + 1) * (x.block(i, 0, m - i, p).transpose() * v);
    return left.tau(i) * image;
  }

  /// tau (A - V Y' - X U') u
  SmallVector image_of_right(Index i, Index p, const SmallMatrix& x, const SmallMatrix& y) {
    const Index m = a_.rows(), n = a_.cols(), first = i - p;
    const auto u = right.tail(i);
    SmallVector image = multiply_shared(a_.bottomRightCorner(m - i - 1, n - i - 1), u);
    image -= left.part(first, p + 1, i + 1) * (y.block(i + 1, 0, n - i - 1, p + 1).transpose() * u);
    image -= x.block(i + 1, 0, m - i - 1, p) * (right.part(first, p, i + 1).transpose() * u);
    return right.tau(i) * image;
  }

  SmallMatrix a_;
};

/// Of a symmetric A.
class Tridiagonalization {
 public:
  explicit Tridiagonalization(SmallMatrix a)
      : reflectors(a.cols(), std::max<Index>(a.cols() - 1, 0), 1),
        diagonal(a.cols()),
        beside(std::max<Index>(a.cols() - 1, 0)),
        a_(std::move(a)) {
    const Tiling panels{a_.cols(), kPanel};
    for (Index p = 0; p < panels.count(); ++p) reduce(panels.begin(p), panels.size(p));
  }

  Reflectors reflectors;
  SmallVector diagonal, beside;

 private:
  /// Earlier reflectors of the panel go with W_j: A - V W' - W V'.
  void reduce(Index first, Index count) {
    const Index n = a_.cols(), end = first + count;
    SmallMatrix w(n, count);
    for (Index p = 0; p < count; ++p) {
      const Index i = first + p;
      auto column = a_.col(i).tail(n - i);
      column -= reflectors.part(first, p, i) * w.row(i).head(p).transpose();
      column -= w.block(i, 0, n - i, p) * reflectors.part(first, p, i).row(0).transpose();
      diagonal(i) = column(0);
      if (i + 1 == n) return;
      beside(i) = reflectors.make(i, column.tail(n - i - 1));
      w.col(p).tail(n - i - 1) = image(i, p, w);
    }
    const auto v = reflectors.part(first, count, end);
    subtract_products(a_.bottomRightCorner(n - end, n - end), v, w.bottomRows(n - end), w.bottomRows(n - end), v);
  }

  /// With y = tau (A - V W' - W V') v:  y - tau/2 (y'v) v
  SmallVector image(Index i, Index p, const SmallMatrix& w) {
    const Index n = a_.cols(), first = i - p, rows = n - i - 1;
    const auto v = reflectors.tail(i);
    const auto before = reflectors.part(first, p, i + 1);
    const auto images = w.block(i + 1, 0, rows, p);
    SmallVector y = multiply_adjoint_shared(a_.bottomRightCorner(rows, rows), v);
    y -= before * (images.transpose() * v);
    y -= images * (before.transpose() * v);
    y *= reflectors.tau(i);
    return y - reflectors.tau(i) / 2 * y.dot(v) * v;
  }

  SmallMatrix a_;
};

}  // namespace corange::detail

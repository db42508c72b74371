// Singular triplets of a matrix that is small in one dimension, or of which most triplets are wanted.
//
//   A = W R,  R = P diag(s) Y',  U = W P, V = Y: the leading columns; residuals are measured. A is tall or square.
//
//   1. The entries of A, by a product with the identity where it does not show them.
//   2. Columns that are zero have no part in R, if the triplets asked for do without them.
//   3. W = A R_1^-1 and R = R_2 R_1 by Cholesky QR twice, where the second only changes R and P. A matrix that is nearly square is
//      its own R.
//   4. SVD of R.
//
// Cost: one pass to see A, one to measure; 4 m n^2 + 4 m n k flops, and about 20 n^3 of R.
#pragma once

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>
#include <vector>

#include "corange/svd/rayleigh_ritz.hpp"

namespace corange {

/// Whether A is no taller than pays for a QR.
inline bool factored_whole(const LinearOperator& a) { return 2 * a.rows() <= 3 * a.cols(); }

namespace detail {

/// Writes down a matrix that is shown piece by piece.
template <class T>
class EntryWriter final : public EntryVisitor {
 public:
  explicit EntryWriter(BlockView<T> out) : out_(out) {}

  void dense(Index row, Index col, StridedView<double> piece) override {
    for_slices(piece.rows, piece.rows * piece.cols, [&](Index i) {
      for (Index j = 0; j < piece.cols; ++j) add(row + i, col + j, piece(i, j));
    });
  }
  void sparse_rows(Index row, const Compressed& piece) override {
    for_slices(piece.outer, piece.nonzeros(), [&](Index i) {
      for (Index p = piece.indptr[i]; p < piece.indptr[i + 1]; ++p) add(row + i, piece.indices[p], piece.data[p]);
    });
  }
  void sparse_columns(Index col, const Compressed& piece) override {
    for_slices(piece.outer, piece.nonzeros(), [&](Index j) {
      for (Index p = piece.indptr[j]; p < piece.indptr[j + 1]; ++p) add(piece.indices[p], col + j, piece.data[p]);
    });
  }
  void outer(Index row, Index col, StridedView<double> left, StridedView<double> right) override {
    for_slices(left.rows, left.rows * right.rows, [&](Index i) {
      for (Index j = 0; j < right.rows; ++j) add(row + i, col + j, left(i, 0) * right(j, 0));
    });
  }

 private:
  template <class Write>
  static void for_slices(Index count, Index work, const Write& write) {
    const Tiling tiles = tiling(count, 64, 16);
    parallel_for(tiles.count(), work, [&](Index t) {
      for (Index k = tiles.begin(t); k < tiles.begin(t) + tiles.size(t); ++k) write(k);
    });
  }

  void add(Index i, Index j, double x) { out_(i, j) += static_cast<T>(x); }

  BlockView<T> out_;
};

template <class T>
Block<T> entries(const LinearOperator& a) {
  Block<T> all(a.rows(), a.cols());
  EntryWriter<T> writer(all.view());
  if (a.visit(writer)) return all;
  Block<T> identity(a.cols(), a.cols());
  for (Index i = 0; i < a.cols(); ++i) identity(i, i) = 1;
  a.apply(BlockView<const T>(identity.view()), all.view());
  return all;
}

template <class T>
SmallMatrix to_small(BlockView<const T> x) {
  SmallMatrix small(x.rows, x.cols);
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.cols; ++j) small(i, j) = static_cast<double>(x(i, j));
  return small;
}

/// W R = the W given, whose columns become orthonormal times `mixer`, nearly the identity.
template <class T>
SmallMatrix thin_qr(BlockView<T> w, RandomKey key, SmallMatrix& mixer) {
  SmallMatrix r;
  mixer = SmallMatrix::Identity(w.cols, w.cols);
  if (!orthonormalize_roughly<T>(w, r)) return orthonormalize<T>(w, key).R;
  const GramFactor again = factor_gram(gram<T>(w));
  if (!(again.pivot > 0)) throw NumericalError("QR of A failed: the input holds NaN or infinity");
  mixer = again.inverse;
  return multiply(again.r, r);
}

/// Where w is not zero; all columns where fewer than `least` are not, as then zeros are asked for.
template <class T>
std::vector<Index> columns_in_use(BlockView<const T> w, Index least) {
  const SmallVector squares = squared_column_norms<T>(w);
  std::vector<Index> used, all(static_cast<std::size_t>(w.cols));
  std::iota(all.begin(), all.end(), Index{0});
  std::copy_if(all.begin(), all.end(), std::back_inserter(used), [&](Index j) { return squares(j) != 0; });
  return static_cast<Index>(used.size()) < least ? all : used;
}

/// Rows of v in the places given, of n.
inline SmallMatrix spread_rows(const SmallMatrix& v, const std::vector<Index>& places, Index n) {
  SmallMatrix spread = SmallMatrix::Zero(n, v.cols());
  for (Index i = 0; i < v.rows(); ++i) spread.row(places[static_cast<std::size_t>(i)]) = v.row(i);
  return spread;
}

/// A by QR.
template <class T>
Triplets<T> triplets_by_qr(Block<T> w, Index rank, RandomKey key) {
  const Index n = w.cols();
  const std::vector<Index> used = columns_in_use<T>(w.view(), rank);
  if (static_cast<Index>(used.size()) < n) w = take_columns<T>(w.view(), used);
  SmallMatrix mixer;
  const SmallSvd svd = small_svd(thin_qr<T>(w.view(), key, mixer));
  Triplets<T> t{Block<T>(overwritten, w.rows(), rank), to_block<T>(spread_rows(svd.V.leftCols(rank), used, n)), svd.s.head(rank),
                SmallVector()};
  product<T>(w.view(), multiply(mixer, svd.U.leftCols(rank)), t.U.view());
  return t;
}

template <class T>
Triplets<T> triplets_of_whole(Block<T> w, Index rank) {
  const SmallSvd svd = small_svd(to_small<T>(w.view()));
  return {to_block<T>(svd.U.leftCols(rank)), to_block<T>(svd.V.leftCols(rank)), svd.s.head(rank), SmallVector()};
}

}  // namespace detail

/// The `rank` leading triplets.
template <class T>
Triplets<T> direct_triplets(const LinearOperator& a, Index rank, RandomKey key, double tol) {
  Block<T> w = detail::entries<T>(a);
  Triplets<T> t =
      factored_whole(a) ? detail::triplets_of_whole<T>(std::move(w), rank) : detail::triplets_by_qr<T>(std::move(w), rank, key);
  t.residuals = detail::measured_residuals<T>(a, t, Block<T>(), tol);
  return t;
}

}  // namespace corange

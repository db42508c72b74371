// Thick-restarted block Lanczos with full reorthogonalization: the leading eigenpairs of a symmetric operator H.
//
//   H V = V T + Q B,   V n x K and Q n x b orthonormal, Q'V = 0, T = V'HV, B b x K
//
//   expand   1. Z = H Q; V <- [V Q]; the new rows of T are B and Q'Z
//            2. Z -= V (V'Z), against the whole basis
//            3. Z = Q R; the new B is [0 R]; where a column of Z kept less than a tenth of its norm in 2, 2 and 3 once more
//   ritz     T = Y diag(theta) Y'; the residual of Ritz pair i is ||H V y - theta V y|| = ||B y||
//   restart  V <- V Y(:, kept), T <- diag(theta kept), B <- B Y(:, kept)
//
// Exhausted Krylov spaces need no special case: a direction of Z that vanishes is replaced by a random one with a zero row in R,
// so repeated eigenvalues, H = 0 and H = I are found like others; when the basis fills the whole space the result is exact.
// Cost a step: one product with b columns and 4 n K b flops. Memory: n (K_max + 3 b) numbers of T.
// References: Golub & Underwood 1977; Wu & Simon 2000 (DOI 10.1137/S0895479898334605, thick restart); Baglama & Reichel 2005.
#pragma once

#include <functional>
#include <numeric>
#include <utility>

#include "corange/linalg/orthonormalize.hpp"

namespace corange {

/// Which end of the spectrum is wanted.
enum class Which { largest, smallest, magnitude };

/// All Ritz pairs, best first.
struct RitzPairs {
  SmallVector values;
  SmallMatrix vectors;    // K x K, column i belongs to values(i)
  SmallVector residuals;  // norms
};

template <class T>
class BlockLanczos {
 public:
  using Multiply = std::function<void(BlockView<const T> x, BlockView<T> z)>;

  /// `start` (n x b, need not be orthonormal) is consumed; its width is the block size.
  BlockLanczos(Multiply multiply, Block<T> start, Index max_basis, Which which, RandomKey key)
      : multiply_(std::move(multiply)),
        n_(start.rows()),
        block_(start.cols()),
        which_(which),
        key_(key),
        v_(uninitialized, n_, std::min(n_, max_basis)),
        next_(std::move(start)),
        t_(SmallMatrix::Zero(v_.cols(), v_.cols())) {
    orthonormalize<T>(next_.view(), fresh_key());
    coupling_ = SmallMatrix::Zero(next_.cols(), 0);
  }

  Index count() const { return count_; }
  Index capacity() const { return v_.cols(); }
  Index next_width() const { return next_.cols(); }
  /// The basis fills the whole space: Ritz pairs are eigenpairs.
  bool exhausted() const { return count_ == n_; }
  bool full() const { return count_ + next_.cols() > capacity(); }
  BlockView<const T> basis() const { return v_.cols(count_); }
  BlockView<const T> next() const { return next_.view(); }
  std::size_t bytes() const { return v_.bytes() + 3 * next_.bytes(); }

  void expand() {
    const Index b = next_.cols(), total = count_ + b;
    Block<T> z = b == spare_.cols() ? std::move(spare_) : Block<T>(overwritten, n_, b);
    multiply_(next_.view(), z.view());
    convert(next_.view(), BlockView<T>{v_.data() + count_, n_, b, v_.ld()});
    t_.block(count_, 0, b, count_) = coupling_;
    t_.block(0, count_, count_, b) = coupling_.transpose();
    const SmallMatrix removed = detail::project_out<T>(v_.cols(total), z.view());
    const SmallMatrix diagonal = removed.bottomRows(b);
    t_.block(count_, count_, b, b) = (diagonal + diagonal.transpose()) / 2;
    count_ = total;
    advance(std::move(z), column_norms(removed));
  }

  RitzPairs ritz() const {
    const SmallEigen eigen = symmetric_eigen(t_.topLeftCorner(count_, count_));
    std::vector<Index> order(static_cast<std::size_t>(count_));
    std::iota(order.begin(), order.end(), Index{0});
    const SmallVector& w = eigen.values;
    std::stable_sort(order.begin(), order.end(), [&](Index i, Index j) { return prefers(w(i), w(j)); });
    RitzPairs pairs{SmallVector(count_), select_columns(eigen.vectors, order), SmallVector::Zero(count_)};
    for (Index i = 0; i < count_; ++i) pairs.values(i) = w(order[static_cast<std::size_t>(i)]);
    if (next_.cols() > 0) pairs.residuals = column_norms(multiply(coupling_, pairs.vectors));
    return pairs;
  }

  void restart(const RitzPairs& pairs, Index keep) {
    const SmallMatrix y = pairs.vectors.leftCols(keep);
    product<T>(v_.cols(count_), y, v_.cols(keep));
    t_.topLeftCorner(count_, count_).setZero();
    t_.topLeftCorner(keep, keep).diagonal() = pairs.values.head(keep);
    coupling_ = multiply(coupling_, y);
    count_ = keep;
    loss_before_ = loss_worst_;
  }

  /// Makes room for a longer basis.
  void grow(Index max_basis) {
    Block<T> longer(uninitialized, n_, std::min(n_, max_basis));
    convert(v_.cols(count_), longer.cols(count_));
    v_ = std::move(longer);
    t_.conservativeResizeLike(SmallMatrix::Zero(v_.cols(), v_.cols()));
  }

  /// V Y, the Ritz vectors.
  void vectors(const SmallMatrix& y, BlockView<T> out) const { product<T>(v_.cols(count_), y, out); }

 private:
  bool prefers(double x, double y) const {
    switch (which_) {
      case Which::largest:
        return x > y;
      case Which::smallest:
        return x < y;
      default:
        return std::abs(x) > std::abs(y);
    }
  }

  RandomKey fresh_key() { return {key_.seed, key_.stream + draws_++}; }

  /// Step 3. A column that is small beside what the projection `removed` from it is no longer orthogonal: once more.
  void advance(Block<T> z, const SmallVector& removed) {
    const Index room = n_ - count_;
    Block<T> whole;  // when z is wider than what is left of the space: any basis of that holds all of z
    if (room < z.cols()) whole = std::exchange(z, first_columns(z, room));
    coupling_ = SmallMatrix::Zero(z.cols(), count_);
    if (z.cols() > 0) {
      const double floor = 8 * static_cast<double>(std::numeric_limits<T>::epsilon()) * scale();
      const SmallMatrix r = orthonormal_against_basis(z.view(), removed, floor);
      if (whole.cols() > 0)
        coupling_.rightCols(whole.cols()) = adjoint_product<T>(z.view(), whole.view());
      else
        coupling_.rightCols(r.cols()) = r;
    }
    spare_ = std::move(next_);
    next_ = std::move(z);
  }

  SmallMatrix orthonormal_against_basis(BlockView<T> z, const SmallVector& removed, double floor) {
    SmallMatrix r = orthonormalize<T>(z, fresh_key(), basis(), floor).R;
    const SmallVector left = r.diagonal().cwiseAbs();  // what a column has of its own, beyond those before it
    const double amplification =
        (removed.head(r.cols()).array() / left.array().max(std::numeric_limits<double>::min())).maxCoeff();
    if (loses_orthogonality(amplification) || amplification > 10) {
      detail::project_out<T>(basis(), z);
      r = multiply(orthonormalize<T>(z, fresh_key(), basis()).R, r);
    }
    return r;
  }

  /// Whether the new block needs a second projection. One leaves of the new block's orthogonality what the two blocks that were
  /// projected out of it lack, and its own rounding, times `amplification`: this grows from step to step, and Ritz values stay good only while it is
  /// below sqrt(eps) (Simon 1984, DOI 10.1016/0024-3795(84)90025-9). Both blocks of the recurrence must then be renewed.
  bool loses_orthogonality(double amplification) {
    const double eps = static_cast<double>(std::numeric_limits<T>::epsilon());
    const double loss = amplification * (loss_last_ + loss_before_ + eps) + eps;
    const bool again = renew_ || loss > std::sqrt(eps);
    renew_ = again && !renew_;
    loss_before_ = loss_last_;
    loss_last_ = again ? eps : loss;
    loss_worst_ = std::max(loss_worst_, loss_last_);
    return again;
  }

  static Block<T> first_columns(const Block<T>& z, Index cols) {
    Block<T> first(overwritten, z.rows(), cols);
    convert(z.cols(cols), first.view());
    return first;
  }

  double scale() const { return t_.topLeftCorner(count_, count_).cwiseAbs().maxCoeff(); }

  Multiply multiply_;
  Index n_, block_;
  Which which_;
  RandomKey key_;
  std::uint64_t draws_ = 0;
  Block<T> v_, next_, spare_;
  SmallMatrix t_, coupling_;
  Index count_ = 0;
  double loss_last_ = 0, loss_before_ = 0, loss_worst_ = 0;  // estimates of how far blocks are from orthogonal to those before
  bool renew_ = false;
};

}  // namespace corange

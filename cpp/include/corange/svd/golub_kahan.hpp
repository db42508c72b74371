// Thick-restarted block Golub-Kahan-Lanczos bidiagonalization with full reorthogonalization on both sides.
//
//   A V = U B,   A'U = V B' + Q C,   U, V, Q orthonormal, V'Q = 0, B K x K, C b x K
//
//   expand   1. W = A Q, W -= U (U'W) twice, W = Q_w R; B gains the column [U'W; R]; V <- [V Q], U <- [U Q_w]
//            2. Z = A'Q_w, Z -= V (V'Z) twice, Z = Q R; the new C is [0 R]
//   ritz     B = P diag(s) Y'; A v_i = s_i u_i exactly, and ||A'u_i - s_i v_i|| = ||C p_i||
//   restart  V <- V Y_k, U <- U P_k, B <- diag(s_k), C <- C P_k
//
// Nothing is squared, so singular values far below sqrt(eps) s_1 come out right: this is the engine for tight tolerances, where
// block Lanczos on A'A (half the memory traffic, one basis) reaches its floor.
// Cost a step: two products with b columns and 8 (m + n) K b flops. Memory: (m + n) (K_max + 2 b) numbers of T.
// References: Golub & Kahan 1965; Baglama & Reichel 2005 (DOI 10.1137/04060593X).
#pragma once

#include "corange/linalg/orthonormalize.hpp"
#include "corange/operators/linear_operator.hpp"

namespace corange {

/// Ritz triplets of all K basis vectors, in descending order.
struct RitzTriplets {
  SmallVector values;
  SmallMatrix left, right;  // K x K
  SmallVector residuals;
};

template <class T>
class GolubKahan {
 public:
  /// A has rows() >= cols(); start is n x b.
  GolubKahan(const LinearOperator& a, Block<T> start, Index max_basis, RandomKey key)
      : a_(a),
        m_(a.rows()),
        n_(a.cols()),
        key_(key),
        u_(uninitialized, m_, std::min(n_, max_basis)),
        v_(uninitialized, n_, std::min(n_, max_basis)),
        next_(std::move(start)),
        b_(SmallMatrix::Zero(v_.cols(), v_.cols())) {
    orthonormalize<T>(next_.view(), fresh_key());
  }

  Index count() const { return count_; }
  Index capacity() const { return v_.cols(); }
  Index next_width() const { return next_.cols(); }
  bool exhausted() const { return count_ == n_; }
  bool full() const { return count_ + next_.cols() > capacity(); }
  std::size_t bytes() const { return u_.bytes() + v_.bytes() + 2 * next_.bytes(); }

  void expand() {
    const Index b = next_.cols(), total = count_ + b;
    Block<T> w(overwritten, m_, b);
    a_.apply(BlockView<const T>(next_.view()), w.view());
    convert(next_.view(), slot(v_, b));
    append_column(w.view());
    convert(w.view(), slot(u_, b));
    Block<T> z(overwritten, n_, b);
    a_.apply_adjoint(BlockView<const T>(w.view()), z.view());
    count_ = total;
    advance(std::move(z));
  }

  RitzTriplets ritz() const {
    SmallSvd svd = small_svd(b_.topLeftCorner(count_, count_));
    RitzTriplets t{std::move(svd.s), std::move(svd.U), std::move(svd.V), SmallVector::Zero(count_)};
    if (next_.cols() > 0) t.residuals = column_norms(multiply(coupling_, t.left));
    return t;
  }

  /// Nothing is squared: rounding leaves eps whatever the value.
  double floor(const RitzTriplets&, Index) const { return 0; }

  void restart(const RitzTriplets& t, Index keep) {
    product<T>(v_.cols(count_), t.right.leftCols(keep), v_.cols(keep));
    product<T>(u_.cols(count_), t.left.leftCols(keep), u_.cols(keep));
    b_.topLeftCorner(count_, count_).setZero();
    b_.topLeftCorner(keep, keep).diagonal() = t.values.head(keep);
    coupling_ = multiply(coupling_, t.left.leftCols(keep));
    count_ = keep;
  }

  void grow(Index max_basis) {
    const Index capacity = std::min(n_, max_basis);
    Block<T> u(uninitialized, m_, capacity), v(uninitialized, n_, capacity);
    convert(u_.cols(count_), u.cols(count_));
    convert(v_.cols(count_), v.cols(count_));
    u_ = std::move(u);
    v_ = std::move(v);
    b_.conservativeResizeLike(SmallMatrix::Zero(capacity, capacity));
  }

  void right_vectors(const RitzTriplets& t, BlockView<T> out) const {
    product<T>(v_.cols(count_), t.right.leftCols(out.cols), out);
  }

 private:
  RandomKey fresh_key() { return {key_.seed, key_.stream + draws_++}; }
  BlockView<T> slot(Block<T>& basis, Index b) const { return {basis.data() + count_, basis.rows(), b, basis.ld()}; }

  /// Step 1: the new column of B; w becomes Q_w.
  void append_column(BlockView<T> w) {
    const Index b = w.cols;
    SmallMatrix r;
    const SmallMatrix c = orthonormal_against(u_.cols(count_), w, r);
    b_.block(0, count_, count_, b) = c;
    b_.block(count_, count_, b, b) = r;
  }

  /// Step 2: the next block and what couples it to the basis.
  void advance(Block<T> z) {
    const Index room = n_ - count_;
    const bool last = room < z.cols();  // then any basis of what is left of the space holds all of z
    Block<T> q(overwritten, n_, std::min(room, z.cols()));
    convert(z.cols(q.cols()), q.view());
    coupling_ = SmallMatrix::Zero(q.cols(), count_);
    if (q.cols() > 0) {
      SmallMatrix r;
      orthonormal_against(v_.cols(count_), q.view(), r);
      coupling_.rightCols(z.cols()) = last ? adjoint_product<T>(q.view(), z.view()) : r;
    }
    next_ = std::move(q);
  }

  /// x = basis c + q r with q orthonormal and orthogonal to the basis; x becomes q. Returns c.
  SmallMatrix orthonormal_against(BlockView<const T> basis, BlockView<T> x, SmallMatrix& r) {
    const double eps = std::numeric_limits<T>::epsilon();
    const SmallVector norms = squared_column_norms<T>(x).cwiseSqrt();
    SmallMatrix c = detail::project_out<T>(basis, x);
    c += detail::project_out<T>(basis, x);
    r = orthonormalize<T>(x, fresh_key(), basis, 8 * eps * norms.maxCoeff()).R;
    if ((column_norms(r).array() < 0.1 * norms.array()).any()) {
      detail::project_out<T>(basis, x);
      r = multiply(orthonormalize<T>(x, fresh_key(), basis).R, r);
    }
    return c;
  }

  const LinearOperator& a_;
  Index m_, n_;
  RandomKey key_;
  std::uint64_t draws_ = 0;
  Block<T> u_, v_, next_;
  SmallMatrix b_, coupling_;
  Index count_ = 0;
};

}  // namespace corange

// Matrices with given singular values or eigenvalues.
#pragma once

#include <Eigen/Dense>

#include "corange/linalg/blocks.hpp"
#include "corange/svd/report.hpp"
#include "matrices.hpp"

namespace matrices {

inline SmallMatrix small_matrix(const Block<double>& x) {
  SmallMatrix c(x.rows(), x.cols());
  for (Index i = 0; i < x.rows(); ++i)
    for (Index j = 0; j < x.cols(); ++j) c(i, j) = x(i, j);
  return c;
}

inline SmallMatrix random_small(Index rows, Index cols, std::uint64_t seed) {
  return small_matrix(random_block<double>(rows, cols, seed));
}

/// n x k with orthonormal columns.
inline SmallMatrix random_orthonormal(Index n, Index k, std::uint64_t seed) {
  const Eigen::HouseholderQR<SmallMatrix> qr(random_small(n, k, seed));
  return qr.householderQ() * SmallMatrix::Identity(n, k);
}

/// m x n with singular values s (s.size() <= min(m, n)).
inline SmallMatrix with_values(Index m, Index n, const SmallVector& s, std::uint64_t seed) {
  return random_orthonormal(m, s.size(), seed) * s.asDiagonal() * random_orthonormal(n, s.size(), seed + 1).transpose();
}

/// Symmetric with eigenvalues w.
inline SmallMatrix symmetric_with(const SmallVector& w, std::uint64_t seed) {
  const SmallMatrix q = random_orthonormal(w.size(), w.size(), seed);
  const SmallMatrix a = q * w.asDiagonal() * q.transpose();
  return (a + a.transpose()) / 2;
}

inline double harmonic(double i) { return 1 / (1 + i); }
inline double constant(double) { return 3; }
inline double zero(double) { return 0; }
inline double few(double i) { return i < 5 ? 5 - i : 0; }

/// f(0), f(1), ..
inline SmallVector values(Index n, double (*f)(double)) {
  SmallVector s(n);
  for (Index i = 0; i < n; ++i) s(i) = f(static_cast<double>(i));
  return s;
}

inline SvdOptions options(Index rank, double tol = 1e-3, std::uint64_t seed = 1) {
  SvdOptions o;
  o.rank = rank;
  o.tol = tol;
  o.seed = seed;
  return o;
}

/// Row-major copy of an Eigen matrix in S, as a user would hold it.
template <class S>
struct UserMatrix {
  Index rows, cols;
  std::vector<S> data;

  explicit UserMatrix(const SmallMatrix& a) : rows(a.rows()), cols(a.cols()), data(static_cast<std::size_t>(a.size())) {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) data[static_cast<std::size_t>(i * cols + j)] = static_cast<S>(a(i, j));
  }
  StridedView<S> view() const { return {data.data(), rows, cols, cols, 1}; }
  StridedView<S> transposed() const { return {data.data(), cols, rows, 1, cols}; }
  SmallMatrix matrix() const {
    SmallMatrix a(rows, cols);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) a(i, j) = static_cast<double>(data[static_cast<std::size_t>(i * cols + j)]);
    return a;
  }
};

inline double largest(const SmallMatrix& m) { return m.size() == 0 ? 0 : m.cwiseAbs().maxCoeff(); }
inline double orthogonality(const SmallMatrix& q) {
  return largest(q.transpose() * q - SmallMatrix::Identity(q.cols(), q.cols()));
}

}  // namespace matrices

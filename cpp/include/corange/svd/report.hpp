// What goes into a truncated SVD besides the matrix, and what comes out besides the factors.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "corange/linalg/blocks.hpp"

namespace corange {

/// One line of progress, handed to the callback after every step of a Krylov method.
struct Progress {
  Index iteration = 0;
  Index basis = 0;       // vectors in the Krylov basis
  Index converged = 0;   // wanted triplets that meet the tolerance, as estimated
  /// Largest estimated residual among the wanted, relative to s_1, when last looked at.
  double residual = std::numeric_limits<double>::quiet_NaN();
  double elapsed = 0;    // seconds
};

/// Returns true to stop; the best answer so far is then finished and returned, filled up with random vectors if it is too short.
using ProgressCallback = std::function<bool(const Progress&)>;

struct SvdOptions {
  Index rank = 0;                      // triplets wanted; with `error`: the most that may be returned
  double error = 0;                    // > 0: smallest rank with ||A - U S V'||_F <= error ||A||_F instead of a fixed one
  double tol = 1e-3;                   // ||A'u - s v|| <= tol * s_1 for every triplet; values are then good to about tol^2
  std::uint64_t seed = 0;
  std::optional<Index> oversample;     // Krylov basis vectors beyond the wanted ones before a restart; default: cost model
  std::optional<Index> block_size;     // default: cost model
  std::optional<Index> max_passes;     // passes over A; default: a thousand and more, against data that never converge
  bool check_finite = true;
  ProgressCallback callback;
  /// Columns near to the left or to the right vectors wanted, with as many rows as A has rows or columns; if a start on the
  /// longer side is all there is, it costs a product more.
  BlockView<const double> start;
};

struct SvdReport {
  bool converged = false;
  std::string stopped;   // "converged", "exact", "max_passes", "callback" or "stalled": rounding forbids the tolerance
  double tol = 0;        // what residuals were held to: the tolerance asked for, or what the precision resolves
  std::string method;
  Index passes = 0;      // times A was read; a fused A'(A X) reads it once
  Index products = 0;    // columns multiplied with A or A'
  Index iterations = 0, restarts = 0;
  Index block_size = 0, max_basis = 0;
  double seconds = 0;
  SmallVector residuals;           // ||A'u_i - s_i v_i||, measured
  double scale = 0;                // eigh: largest |w| seen anywhere in the spectrum, what tol is relative to
  double norm_fro = std::numeric_limits<double>::quiet_NaN();
  double error = std::numeric_limits<double>::quiet_NaN();  // ||A - U S V'||_F / ||A||_F
  std::string error_kind;          // "exact" (from ||A||_F^2 - sum s^2) or "estimated" (randomized)
  double error_bound = std::numeric_limits<double>::quiet_NaN();
  double error_confidence = 1;     // probability that error <= error_bound
  std::vector<Progress> history;
  std::size_t peak_bytes = 0;      // working memory of the core, outputs included
};

/// Where the factors are written, row-major without padding: U m x rank, s, V n x rank.
template <class T>
struct SvdOutputs {
  T* U = nullptr;
  T* s = nullptr;
  T* V = nullptr;
};

/// Called once, when the rank is known; the caller owns the memory.
template <class T>
using SvdAllocate = std::function<SvdOutputs<T>(Index rank)>;

}  // namespace corange

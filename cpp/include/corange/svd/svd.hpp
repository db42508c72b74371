// Truncated singular value decomposition of any operator.
//
//   A ~ U diag(s) V',  U m x k, V n x k orthonormal, s descending,  ||A v_i - s_i u_i|| = 0 and ||A'u_i - s_i v_i|| <= tol s_1
//
//   1. Look at A: size, largest entry (A is scaled by a power of two on the fly), Frobenius norm. Work on A or A', whichever is tall.
//   2. Block and basis length from a cost model; random start A' Omega, Omega Gaussian (on disk Omega itself: a pass less). Where
//      vectors near those wanted are known, seven columns of eight are random mixtures of these.
//   3. Krylov basis of right vectors: randomized block Golub-Kahan-Lanczos with full reorthogonalization and thick restart.
//      The left basis stays implicit (block Lanczos on A'A) while 8 eps s_1 / max(s_k, tol s_1) <= tol, in single precision first,
//      and is explicit below that.
//   4. Rayleigh-Ritz in the precision of the output, residuals measured; if one is above tol, back to 3 with the next engine.
//   5. Signs: the entry of largest magnitude among u_i and v_i is positive. Unscale; fill the report.
//
// Cost: `products` * 2 * entries flops for A, about 4 n K^2 for the basis, K a few times k. Memory: n K + (m + n)(k + 2 b).
// References: Golub, Luk & Overton 1981 (DOI 10.1145/355945.355946); Musco & Musco 2015 (arXiv 1504.05477); Baglama & Reichel 2006.
#pragma once

#include "corange/core/memory.hpp"
#include "corange/operators/counting.hpp"
#include "corange/svd/cost_model.hpp"
#include "corange/svd/direct.hpp"
#include "corange/svd/krylov.hpp"
#include "corange/svd/rayleigh_ritz.hpp"
#include "corange/svd/signs.hpp"

namespace corange {

namespace detail {

/// Random streams of one call; each has room for 2^32 draws.
enum class Stream : std::uint64_t { start = 1, engine = 2, finish = 3, probe = 4, fill = 5, mixture = 6 };
inline RandomKey stream_key(std::uint64_t seed, Stream s) { return {seed, static_cast<std::uint64_t>(s) << 32}; }

inline void refuse_bad(const Scan& scan) {
  if (scan.bad > 0)
    throw InvalidArgument("A contains " + std::to_string(scan.bad) + " NaN or infinite entries, first at row " +
                          std::to_string(scan.bad_row) + ", column " + std::to_string(scan.bad_col) +
                          "; clean the data, or pass check_finite=False to skip this check");
}

}  // namespace detail

/// One call of svd(): D is the precision of the factors.
template <class D>
class SvdDriver {
 public:
  SvdDriver(const LinearOperator& a, const SvdOptions& options) : options_(options), m_(a.rows()), n_(a.cols()) {
    if (m_ < 1 || n_ < 1) throw InvalidArgument("svd: A must have at least one row and one column");
    if (options.rank < 1 || options.rank > std::min(m_, n_))
      throw InvalidArgument("svd: rank = " + std::to_string(options.rank) + " must lie in 1 .. " +
                            std::to_string(std::min(m_, n_)));
    refuse_too_large(a);
    scan_ = a.scan();
    if (options.check_finite) detail::refuse_bad(scan_);
    exponent_ = scan_.known ? (scan_.max_abs > 0 ? scan_.exponent : 0) : probe_exponent(a);
    const Index looks = a.storage() == Storage::disk ? 1 : 0, probes = scan_.known ? 0 : 1;
    a_ = std::make_unique<CountingOperator>(a.view(m_ < n_, std::ldexp(1.0, -exponent_)), looks + probes, probes);
    log_.passes_are_dear = a.storage() == Storage::disk || a.storage() == Storage::callback;
    tol_ = report_.tol = attainable<D>(options.tol);
  }

  SvdReport run(const SvdAllocate<D>& allocate) {
    if (scan_.known && scan_.max_abs == 0) return zero_matrix(allocate);
    Triplets<D> t = options_.error > 0 ? to_error() : to_rank(options_.rank);
    write(t, signs(t), allocate);
    return finish_report(t);
  }

 private:
  /// How the right basis is found, in the order they are tried.
  enum class Engine { single_lanczos, double_lanczos, golub_kahan };

  /// Held at once where the whole space is the basis: the triplets, and what the SVD of a triangular factor was seen to take.
  double direct_bytes() const {
    const double order = static_cast<double>(std::min(m_, n_));
    return block_bytes<D>(m_ + n_, std::min(m_, n_)) + 16 * sizeof(double) * order * order;
  }

  /// The least held at once: what the direct method takes where that is used; the triplets and what is returned.
  void refuse_too_large(const LinearOperator& a) const {
    const Index rank = options_.error > 0 ? 1 : options_.rank;
    const bool direct = plan_krylov(a, options_, rank, sizeof(float)).direct;
    const double space = direct ? direct_bytes() : 0;
    const double outputs = static_cast<double>(sizeof(D)) * static_cast<double>(m_ + n_) * static_cast<double>(rank);
    require_memory(std::max(space, block_bytes<D>(m_ + n_, rank) + outputs),
                   "svd of a " + std::to_string(m_) + " x " + std::to_string(n_) + " matrix at rank = " + std::to_string(rank),
                   "ask for a smaller rank");
  }

  static int probe_exponent(const LinearOperator& a) {
    Block<double> x(a.rows(), 1), y(a.cols(), 1);
    detail::fill_random_columns<double>(x.view(), {0, 0});
    a.apply_adjoint(BlockView<const double>(x.view()), y.view());
    double largest = 0;
    for (Index i = 0; i < y.rows(); ++i) largest = std::max(largest, std::abs(y(i, 0)));
    return largest > 0 ? std::ilogb(largest) : 0;
  }

  /// Single precision serves down to its own rounding, unless the wanted values turn out to be too small (NormalLanczos::floor).
  Engine first_engine() const {
    if (tol_ >= 256 * static_cast<double>(std::numeric_limits<float>::epsilon())) return Engine::single_lanczos;
    return tol_ * tol_ >= 8 * std::numeric_limits<double>::epsilon() ? Engine::double_lanczos : Engine::golub_kahan;
  }

  // ---- fixed rank

  Triplets<D> to_rank(Index rank) {
    const KrylovPlan plan = plan_krylov(*a_, options_, rank, sizeof(float));
    if (plan.direct) return direct(rank);
    for (Engine engine = first_engine();; engine = static_cast<Engine>(static_cast<int>(engine) + 1)) {
      Triplets<D> t = with_engine(engine, rank);
      if (t.s.size() == 0) continue;  // stalled
      report_.converged = (t.residuals.array() <= tol_ * t.s(0)).all();
      if (report_.converged || report_.stopped == "max_passes" || report_.stopped == "callback") return t;
      report_.stopped = may_start_again() ? "stalled" : "max_passes";
      if (report_.stopped == "max_passes" || engine == Engine::golub_kahan) return t;
    }
  }

  Triplets<D> with_engine(Engine engine, Index rank) {
    if (engine == Engine::single_lanczos) return krylov<float>(engine, rank);
    return krylov<double>(engine, rank);
  }

  template <class T>
  Triplets<D> krylov(Engine engine, Index rank) {
    const Index step = engine == Engine::golub_kahan ? 2 : a_->normal_passes();
    limit_ = options_.max_passes.value_or(kNoLimit);
    // On disk a pass is dear, and one to begin with gains less than one more step: two steps from Omega itself do as well.
    const bool plain = a_->storage() == Storage::disk && passes_left() >= 2 * step;
    const KrylovPlan plan = plan_krylov(*a_, options_, rank, sizeof(T), (passes_left() - (plain ? 0 : 1)) / step);
    if (!options_.max_passes) limit_ = a_->passes() + default_passes(plan);
    report_.block_size = plan.block;
    report_.max_basis = plan.max_basis;
    const RandomKey key = detail::stream_key(options_.seed, detail::Stream::engine);
    Block<T> start = first_block<T>(plan.block, plain);
    if (engine == Engine::golub_kahan) {
      report_.method = "block Golub-Kahan-Lanczos, float64";
      return finish<T>(std::make_unique<GolubKahan<T>>(*a_, std::move(start), plan.max_basis, key), rank, step);
    }
    report_.method = std::string("block Lanczos on A'A, ") + (std::is_same_v<T, float> ? "float32" : "float64");
    return finish<T>(std::make_unique<NormalLanczos<T>>(*a_, std::move(start), plan.max_basis, key, tol_), rank, step);
  }

  /// Random columns: A'Omega, or Omega if `plain`. Where a start is known they are one in eight, behind mixtures of the start,
  /// lest what is orthogonal to it be missed.
  template <class T>
  Block<T> first_block(Index block, bool plain) {
    const BlockView<const double>& known = options_.start;
    const Index near = std::min(block - (block + 7) / 8, known.cols);
    Block<T> omega(overwritten, plain ? a_->cols() : a_->rows(), block - near);
    detail::fill_random_columns<T>(omega.view(), detail::stream_key(options_.seed, detail::Stream::start));
    if (!plain) omega = adjoint_image(std::move(omega));
    if (near == 0) return omega;
    Block<T> mixtures = known_columns<T>(near), start(overwritten, a_->cols(), block);
    if (known.rows != a_->cols()) mixtures = adjoint_image(std::move(mixtures));
    convert(mixtures.view(), start.cols(near));
    convert(omega.view(), BlockView<T>{start.data() + near, start.rows(), block - near, start.ld()});
    return start;
  }

  template <class T>
  Block<T> adjoint_image(Block<T> x) {
    Block<T> image(overwritten, a_->cols(), x.cols());
    a_->apply_adjoint(BlockView<const T>(x.view()), image.view());
    return image;
  }

  /// Random mixtures of the start, as many as asked for.
  template <class T>
  Block<T> known_columns(Index count) const {
    const BlockView<const double>& known = options_.start;
    Block<double> random(overwritten, known.cols, count), mixtures(overwritten, known.rows, count);
    detail::fill_random_columns<double>(random.view(), detail::stream_key(options_.seed, detail::Stream::mixture));
    SmallMatrix coefficients(known.cols, count);
    for (Index i = 0; i < known.cols; ++i)
      for (Index j = 0; j < count; ++j) coefficients(i, j) = random(i, j);
    product<double>(known, coefficients, mixtures.view());
    Block<T> rounded(overwritten, known.rows, count);
    convert(mixtures.view(), rounded.view());
    return rounded;
  }

  template <class T, class Krylov>
  Triplets<D> finish(std::unique_ptr<Krylov> krylov, Index rank, Index step) {
    const auto outcome = run_krylov(*krylov, rank, tol_, options_, log_, [&] { return passes_left() >= step; });
    report_.stopped = outcome.stopped;
    const bool last = std::is_same_v<Krylov, GolubKahan<T>>;
    if (outcome.stopped == "stalled" && !last && may_start_again()) return {};
    const Index found = std::min(rank, krylov->count());
    Block<T> basis(overwritten, a_->cols(), rank);
    if (found < rank) detail::fill_random_columns<T>(basis.view(), detail::stream_key(options_.seed, detail::Stream::fill));
    krylov->right_vectors(outcome.ritz, basis.cols(found));
    krylov.reset();  // its blocks are as large as what comes now
    return ritz(std::move(basis));
  }

  template <class T>
  Triplets<D> ritz(Block<T> basis) {
    const RandomKey key = detail::stream_key(options_.seed, detail::Stream::finish);
    if constexpr (std::is_same_v<T, D>) return rayleigh_ritz<D>(*a_, std::move(basis), key, tol_);
    Block<D> v(overwritten, basis.rows(), basis.cols());
    convert(basis.view(), v.view());
    basis = Block<T>();
    return rayleigh_ritz<D>(*a_, std::move(v), key, tol_);
  }

  /// Passes that may be spent before the final Rayleigh-Ritz, and the probe of the error where nothing else tells it.
  Index passes_left() const {
    const Index ritz = a_->storage() == Storage::disk && a_->fused_normal() ? 1 : 2, probe = scan_.known ? 0 : 1;
    return limit_ - a_->passes() - ritz - probe;
  }
  /// Another engine can start and make a step.
  bool may_start_again() const { return !options_.max_passes || passes_left() >= 3; }

  /// Exact, for small matrices and for ranks that fill most of the space.
  Triplets<D> direct(Index rank) {
    report_.method = factored_whole(*a_) ? "direct: SVD of A" : "direct: QR of A, then its SVD";
    report_.stopped = "exact";
    report_.block_size = report_.max_basis = a_->cols();
    log_.peak_bytes = static_cast<std::size_t>(direct_bytes());
    report_.converged = true;
    return direct_triplets<D>(*a_, rank, detail::stream_key(options_.seed, detail::Stream::finish), tol_);
  }

  static void truncate(Triplets<D>& t, Index rank) {
    Block<D> u(overwritten, t.U.rows(), rank), v(overwritten, t.V.rows(), rank);
    convert(t.U.cols(rank), u.view());
    convert(t.V.cols(rank), v.view());
    t.U = std::move(u);
    t.V = std::move(v);
    t.s = t.s.head(rank).eval();
    t.residuals = t.residuals.head(rank).eval();
  }

  // ---- smallest rank for an error

  Triplets<D> to_error() {
    Index rank = std::min<Index>(options_.rank, 16);
    for (;;) {
      Triplets<D> t = to_rank(rank);
      rest_ = remaining(t);
      const double allowed = options_.error * options_.error * norm_squared();
      const Index enough = smallest_rank(t.s, rest_.bound, allowed);
      if (enough <= rank || rank == options_.rank || report_.stopped == "callback" || report_.stopped == "max_passes") {
        report_.converged = report_.converged && enough <= rank;
        drop(t, std::max<Index>(enough, 1));
        return t;
      }
      rank = std::min(options_.rank, std::max(2 * rank, predicted_rank(t.s, rest_.bound, allowed)));
    }
  }

  /// Keeps `rank` triplets at most; what the others held is left to the rest.
  void drop(Triplets<D>& t, Index rank) {
    if (rank >= t.s.size()) return;
    const double dropped = t.s.tail(t.s.size() - rank).squaredNorm();
    rest_.squared += dropped;
    rest_.bound += dropped;
    truncate(t, rank);
  }

  /// Smallest r with left + sum_{i > r} s_i^2 <= allowed; more than s has if none.
  static Index smallest_rank(const SmallVector& s, double left, double allowed) {
    if (left > allowed) return s.size() + 1;
    Index r = s.size();
    while (r > 0 && left + s(r - 1) * s(r - 1) <= allowed) left += s(r - 1) * s(r - 1), --r;
    return r;
  }

  /// If the values went on falling as the last half did: how many until the rest fits.
  static Index predicted_rank(const SmallVector& s, double left, double allowed) {
    const Index k = s.size(), half = k / 2;
    const double rate = std::log(s(half) / s(k - 1)) / static_cast<double>(std::max<Index>(k - 1 - half, 1));
    if (!(rate > 0)) return 2 * k;
    const double more = 0.5 * std::log(left / allowed) / rate;
    return k + static_cast<Index>(std::min(more, static_cast<double>(3 * k)));
  }

  // ---- error of the result

  double norm_squared() const { return scan_.known ? scan_.sum_squares : norm_estimate_; }

  /// ||A - U S V'||_F^2 (scaled): ||A||^2 - sum s^2 where that has digits left, else from a Gaussian sketch (unbiased).
  struct Rest {
    double squared = 0;
    double bound = 0;  // not exceeded, with probability kConfidence unless exact
    bool exact = true;
  };
  static constexpr double kConfidence = 0.999;
  static constexpr Index kProbes = 32;
  static constexpr double kUnlucky = 2.5;  // 32 / (0.001 quantile of chi-square(32)): rank one is the worst case

  Rest remaining(const Triplets<D>& t) {
    const double difference = norm_squared() - t.s.squaredNorm();
    // Rounding of the norm and of the s is a percent of this at most.
    const double floor =
        (std::is_same_v<D, float> ? 1e3 : 1e4) * static_cast<double>(std::numeric_limits<D>::epsilon()) * norm_squared();
    if (scan_.known && difference >= floor) return {difference, difference, true};
    const bool worth_a_pass = options_.error > 0 || !log_.passes_are_dear;
    if (scan_.known && !(worth_a_pass && a_->passes() < limit_)) return {std::max(difference, 0.0), floor, false};
    const double squared = sketched_rest(t);
    if (!scan_.known) norm_estimate_ = t.s.squaredNorm() + squared;  // Pythagoras: only the rest of the norm is random
    return {squared, kUnlucky * squared, false};
  }

  double sketched_rest(const Triplets<D>& t) {
    Block<D> g(overwritten, a_->cols(), kProbes), y(overwritten, a_->rows(), kProbes);
    detail::fill_random_columns<D>(g.view(), detail::stream_key(options_.seed, detail::Stream::probe));
    a_->apply(BlockView<const D>(g.view()), y.view());
    SmallMatrix c = adjoint_product<D>(t.V.view(), g.view());
    for (Index j = 0; j < kProbes; ++j) c.col(j).array() *= t.s.array();
    subtract_product<D>(t.U.view(), c, y.view());
    return squared_column_norms<D>(y.view()).sum() / static_cast<double>(kProbes);
  }

  SvdReport finish_report(const Triplets<D>& t) {
    if (options_.error == 0) rest_ = remaining(t);
    const double total = norm_squared();
    report_.error = total > 0 ? std::sqrt(rest_.squared / total) : 0;
    report_.error_bound = total > 0 ? std::min(1.0, std::sqrt(rest_.bound / total)) : 0;
    report_.error_kind = rest_.exact ? "exact" : "estimated";
    report_.error_confidence = rest_.exact ? 1 : kConfidence;
    report_.norm_fro = std::ldexp(std::sqrt(total), exponent_);
    report_.passes = a_->passes();
    report_.products = a_->products();
    report_.iterations = log_.iterations;
    report_.restarts = log_.restarts;
    report_.history = std::move(log_.history);
    report_.residuals = (t.residuals.array() * std::ldexp(1.0, exponent_)).matrix();
    report_.seconds = log_.elapsed();
    const auto outputs = static_cast<std::size_t>((m_ + n_ + 1) * t.s.size()) * sizeof(D);
    report_.peak_bytes = std::max(log_.peak_bytes, t.U.bytes() + t.V.bytes() + outputs);
    return std::move(report_);
  }

  // ---- output

  /// u and v of a negative eigenvalue tie: then the left vector decides, not rounding.
  SmallVector signs(const Triplets<D>& t) const {
    const detail::ColumnExtremes u = detail::column_extremes<D>(t.U.view()), v = detail::column_extremes<D>(t.V.view());
    const detail::ColumnExtremes &left = m_ < n_ ? v : u, &right = m_ < n_ ? u : v;
    const double hair = 64 * std::sqrt(static_cast<double>(std::numeric_limits<D>::epsilon()));
    return (left.largest.array() >= (1 - hair) * right.largest.array()).select(left.sign, right.sign);
  }

  void write(const Triplets<D>& t, const SmallVector& signs, const SvdAllocate<D>& allocate) const {
    const Index rank = t.s.size();
    const bool swapped = m_ < n_;
    const SvdOutputs<D> out = allocate(rank);
    detail::flip_columns<D>((swapped ? t.V : t.U).view(), signs, {out.U, m_, rank, rank});
    detail::flip_columns<D>((swapped ? t.U : t.V).view(), signs, {out.V, n_, rank, rank});
    for (Index i = 0; i < rank; ++i) out.s[i] = static_cast<D>(std::ldexp(t.s(i), exponent_));
  }

  SvdReport zero_matrix(const SvdAllocate<D>& allocate) {
    const Index rank = options_.error > 0 ? 1 : options_.rank;
    Triplets<D> t{Block<D>(a_->rows(), rank), Block<D>(a_->cols(), rank), SmallVector::Zero(rank), SmallVector::Zero(rank)};
    for (Index i = 0; i < rank; ++i) t.U(i, i) = t.V(i, i) = 1;
    write(t, SmallVector::Ones(rank), allocate);
    report_.converged = true;
    report_.stopped = "exact";
    report_.method = "the matrix is zero";
    report_.residuals = t.residuals;
    report_.norm_fro = report_.error = report_.error_bound = 0;
    report_.error_kind = "exact";
    report_.passes = a_->passes();
    report_.seconds = log_.elapsed();
    return std::move(report_);
  }

  const SvdOptions& options_;
  Index m_, n_;
  Scan scan_;
  int exponent_ = 0;
  double tol_ = 0;
  std::unique_ptr<CountingOperator> a_;
  static constexpr Index kNoLimit = std::numeric_limits<Index>::max() / 4;
  Index limit_ = kNoLimit;  // of passes
  double norm_estimate_ = 0;
  Rest rest_;
  SvdReport report_;
  KrylovLog log_;
};

/// D: precision of the factors. Throws InvalidArgument before work starts; not converging is a status in the report.
template <class D>
SvdReport svd(const LinearOperator& a, const SvdOptions& options, const SvdAllocate<D>& allocate) {
  return SvdDriver<D>(a, options).run(allocate);
}

}  // namespace corange

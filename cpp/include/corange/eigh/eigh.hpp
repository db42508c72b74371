// Leading eigenpairs of a symmetric operator.
//
//   H v_i = w_i v_i,  V n x k orthonormal,  ||H v_i - w_i v_i|| <= tol max |w|,  w at the wanted end, best first
//
// max |w| is over all Ritz values seen, wanted or not: it stands for ||H||, so that wanted eigenvalues may be zero.
//
//   1. Scale H by a power of two; random Gaussian start block.
//   2. Thick-restarted block Lanczos with full reorthogonalization, in single precision where tol allows.
//   3. Rayleigh-Ritz in the precision of the output with measured residuals; if one is above tol, once more in double.
//   4. Signs: the largest entry of v_i is positive.
//
// Cost: one product with b columns a step and about 4 n K^2 flops. Memory: n (K + k + 3 b).
// References: Wu & Simon 2000 (DOI 10.1137/S0895479898334605).
#pragma once

#include "corange/svd/svd.hpp"

namespace corange {

template <class T>
struct EigenOutputs {
  T* w = nullptr;
  T* V = nullptr;  // n x rank, row-major
};
template <class T>
using EigenAllocate = std::function<EigenOutputs<T>(Index rank)>;

template <class D>
class EighDriver {
 public:
  EighDriver(const LinearOperator& a, const SvdOptions& options, Which which) : options_(options), which_(which), n_(a.rows()) {
    if (a.rows() != a.cols()) throw InvalidArgument("eigh: A must be square");
    if (n_ < 1 || options.rank < 1 || options.rank > n_)
      throw InvalidArgument("eigh: rank = " + std::to_string(options.rank) + " must lie in 1 .. " + std::to_string(n_));
    refuse_too_large();
    const Scan scan = a.scan();
    if (options.check_finite) detail::refuse_bad(scan);
    if (scan.known && scan.max_abs > 0) exponent_ = scan.exponent;
    a_ = std::make_unique<CountingOperator>(a.view(false, std::ldexp(1.0, -exponent_)), a.storage() == Storage::disk ? 1 : 0);
    log_.passes_are_dear = a.storage() == Storage::disk || a.storage() == Storage::callback;
    tol_ = report_.tol = attainable<D>(options.tol);
  }

  SvdReport run(const EigenAllocate<D>& allocate) {
    const bool single = tol_ >= 256 * static_cast<double>(std::numeric_limits<float>::epsilon());
    if (single) krylov<float>();
    const bool ended = report_.stopped == "callback" || report_.stopped == "max_passes";
    if (!single || !(report_.converged || ended)) krylov<double>();
    write(allocate);
    report_.passes = a_->passes();
    report_.products = a_->products();
    report_.iterations = log_.iterations;
    report_.restarts = log_.restarts;
    report_.history = std::move(log_.history);
    report_.peak_bytes = log_.peak_bytes;
    report_.seconds = log_.elapsed();
    return std::move(report_);
  }

 private:
  /// The least held at once: the basis and its Ritz vectors, these in the precision of the output, and their products.
  void refuse_too_large() const {
    require_memory(2 * block_bytes<float>(n_, options_.rank) + 2 * block_bytes<D>(n_, options_.rank),
                   "eigh of order " + std::to_string(n_) + " at rank = " + std::to_string(options_.rank),
                   "ask for a smaller rank");
  }

  /// BlockLanczos with the interface that run_krylov wants.
  template <class T>
  struct Engine {
    BlockLanczos<T> lanczos;
    Index count() const { return lanczos.count(); }
    Index capacity() const { return lanczos.capacity(); }
    Index next_width() const { return lanczos.next_width(); }
    bool exhausted() const { return lanczos.exhausted(); }
    bool full() const { return lanczos.full(); }
    std::size_t bytes() const { return lanczos.bytes(); }
    void expand() { lanczos.expand(); }
    RitzTriplets ritz() const {
      RitzPairs p = lanczos.ritz();
      return {std::move(p.values), SmallMatrix(), std::move(p.vectors), std::move(p.residuals)};
    }
    double floor(const RitzTriplets&, Index) const { return 0; }
    void restart(const RitzTriplets& t, Index keep) { lanczos.restart({t.values, t.right, SmallVector()}, keep); }
  };

  template <class T>
  void krylov() {
    constexpr Index kFinish = 1;  // passes of step 3
    const Index allowed = options_.max_passes.value_or(std::numeric_limits<Index>::max() / 4);
    const KrylovPlan plan = plan_krylov(*a_, options_, options_.rank, sizeof(T), allowed - a_->passes() - kFinish);
    const Index limit = options_.max_passes.value_or(a_->passes() + default_passes(plan));
    Block<T> start(overwritten, n_, plan.block);
    detail::fill_random_columns<T>(start.view(), detail::stream_key(options_.seed, detail::Stream::start));
    const auto multiply = [this](BlockView<const T> x, BlockView<T> z) { a_->apply(x, z); };
    const Index longest = plan.direct ? n_ : plan.max_basis;
    Engine<T> engine{
        BlockLanczos<T>(multiply, std::move(start), longest, which_, detail::stream_key(options_.seed, detail::Stream::engine))};
    report_.method = std::string("block Lanczos, ") + (std::is_same_v<T, float> ? "float32" : "float64");
    report_.block_size = plan.block;
    report_.max_basis = longest;
    const auto outcome =
        run_krylov(engine, options_.rank, tol_, options_, log_, [&] { return a_->passes() + 1 + kFinish <= limit; });
    report_.stopped = outcome.stopped;
    scale_ = outcome.ritz.values.cwiseAbs().maxCoeff();
    const Index found = std::min(options_.rank, engine.count());
    Block<T> basis(overwritten, n_, options_.rank);
    if (found < options_.rank)
      detail::fill_random_columns<T>(basis.view(), detail::stream_key(options_.seed, detail::Stream::fill));
    engine.lanczos.vectors(outcome.ritz.right.leftCols(found), basis.cols(found));
    vectors_ = Block<D>(overwritten, n_, basis.cols());
    convert(basis.view(), vectors_.view());
    rayleigh_ritz();
    if (report_.converged || report_.stopped == "max_passes" || report_.stopped == "callback") return;
    report_.stopped = a_->passes() + 2 + kFinish <= limit ? "stalled" : "max_passes";
  }

  /// Step 3.
  void rayleigh_ritz() {
    orthonormalize<D>(vectors_.view(), detail::stream_key(options_.seed, detail::Stream::finish));
    Block<D> w(overwritten, n_, vectors_.cols());
    a_->apply(BlockView<const D>(vectors_.view()), w.view());
    const SmallMatrix t = adjoint_product<D>(vectors_.view(), w.view());
    const SmallEigen eigen = symmetric_eigen((t + t.transpose()) / 2);
    std::vector<Index> order(static_cast<std::size_t>(t.cols()));
    std::iota(order.begin(), order.end(), Index{0});
    std::stable_sort(order.begin(), order.end(), [&](Index i, Index j) { return prefers(eigen.values(i), eigen.values(j)); });
    values_ = SmallVector(t.cols());
    for (Index i = 0; i < t.cols(); ++i) values_(i) = eigen.values(order[static_cast<std::size_t>(i)]);
    const SmallMatrix y = select_columns(eigen.vectors, order);
    product<D>(vectors_.view(), y, vectors_.view());
    product<D>(w.view(), y, w.view());
    const SmallVector residuals = squared_residual_norms<D>(w.view(), vectors_.view(), values_).cwiseSqrt();
    scale_ = std::max(scale_, values_.cwiseAbs().maxCoeff());
    report_.converged = (residuals.array() <= tol_ * scale_).all();
    report_.scale = std::ldexp(scale_, exponent_);
    report_.residuals = residuals * std::ldexp(1.0, exponent_);
  }

  bool prefers(double x, double y) const {
    if (which_ == Which::largest) return x > y;
    return which_ == Which::smallest ? x < y : std::abs(x) > std::abs(y);
  }

  void write(const EigenAllocate<D>& allocate) {
    const Index rank = values_.size();
    const EigenOutputs<D> out = allocate(rank);
    detail::flip_columns<D>(vectors_.view(), detail::column_extremes<D>(vectors_.view()).sign, {out.V, n_, rank, rank});
    for (Index i = 0; i < rank; ++i) out.w[i] = static_cast<D>(std::ldexp(values_(i), exponent_));
  }

  const SvdOptions& options_;
  Which which_;
  Index n_;
  int exponent_ = 0;
  double tol_ = 0;
  double scale_ = 0;
  std::unique_ptr<CountingOperator> a_;
  Block<D> vectors_;
  SmallVector values_;
  SvdReport report_;
  KrylovLog log_;
};

template <class D>
SvdReport eigh(const LinearOperator& a, const SvdOptions& options, Which which, const EigenAllocate<D>& allocate) {
  return EighDriver<D>(a, options, which).run(allocate);
}

}  // namespace corange

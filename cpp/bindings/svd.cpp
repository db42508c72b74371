// corange._core.svd
#include "corange/svd/svd.hpp"

#include "report.hpp"

namespace corange {
extern template SvdReport svd<float>(const LinearOperator&, const SvdOptions&, const SvdAllocate<float>&);
extern template SvdReport svd<double>(const LinearOperator&, const SvdOptions&, const SvdAllocate<double>&);
}  // namespace corange

namespace corange::bindings {

ProgressCallback progress_callback(const py::object& callback) {
  if (callback.is_none()) return nullptr;
  return [callable = shared_callable(callback)](const Progress& p) {
    using namespace py::literals;
    const py::gil_scoped_acquire gil;
    const py::dict info("iteration"_a = p.iteration, "basis"_a = p.basis, "converged"_a = p.converged, "residual"_a = p.residual,
                        "elapsed"_a = p.elapsed);
    return py::bool_((*callable)(info)).cast<bool>();
  };
}

py::dict to_dict(const SvdReport& r) {
  using namespace py::literals;
  py::list history;
  for (const Progress& p : r.history) history.append(py::make_tuple(p.iteration, p.basis, p.converged, p.residual, p.elapsed));
  return py::dict("converged"_a = r.converged, "stopped"_a = r.stopped, "method"_a = r.method, "tol"_a = r.tol,
                  "passes"_a = r.passes, "products"_a = r.products, "iterations"_a = r.iterations, "restarts"_a = r.restarts,
                  "block_size"_a = r.block_size, "max_basis"_a = r.max_basis, "seconds"_a = r.seconds,
                  "residuals"_a = py::array_t<double>(r.residuals.size(), r.residuals.data()), "norm_fro"_a = r.norm_fro,
                  "error"_a = r.error, "error_kind"_a = r.error_kind, "error_bound"_a = r.error_bound,
                  "error_confidence"_a = r.error_confidence, "history"_a = history, "peak_bytes"_a = r.peak_bytes);
}

namespace {

template <class T>
py::dict run(const Operator& a, const SvdOptions& options, const py::function& allocate) {
  std::tuple<py::array, py::array, py::array> arrays;  // held until they are filled
  const auto outputs = [&](Index rank) {
    const py::gil_scoped_acquire gil;
    arrays = py::cast<std::tuple<py::array, py::array, py::array>>(allocate(rank));
    const auto& [u, s, v] = arrays;
    if (!py::isinstance<py::array_t<T>>(s) || s.ndim() != 1 || s.size() != rank)
      throw py::value_error("s must be a vector of length rank");
    return SvdOutputs<T>{writable<T>(u, a.core->rows(), rank, "U"), static_cast<T*>(const_cast<void*>(s.data())),
                         writable<T>(v, a.core->cols(), rank, "V")};
  };
  SvdReport report;
  {
    const py::gil_scoped_release release;
    report = svd<T>(*a.core, options, outputs);
  }
  return to_dict(report);
}

BlockView<const double> start_columns(const py::array& start, Index m, Index n) {
  const bool matrix = py::isinstance<py::array_t<double, py::array::c_style>>(start) && start.ndim() == 2;
  if (!matrix || (start.shape(0) != m && start.shape(0) != n))
    throw py::value_error("start must be a C-contiguous float64 matrix with as many rows as A has rows or columns");
  return {static_cast<const double*>(start.data()), start.shape(0), start.shape(1), start.shape(1)};
}

py::dict svd_of(const Operator& a, std::optional<Index> rank, std::optional<double> error, double tol, std::uint64_t seed,
                std::optional<Index> oversample, std::optional<Index> block_size, std::optional<Index> max_passes,
                bool check_finite, const py::function& allocate, const py::object& callback,
                const std::optional<py::array>& start) {
  SvdOptions options;
  if (start) options.start = start_columns(*start, a.core->rows(), a.core->cols());
  options.rank = rank.value_or(std::min(a.core->rows(), a.core->cols()));
  options.error = error.value_or(0);
  options.tol = tol;
  options.seed = seed;
  options.oversample = oversample;
  options.block_size = block_size;
  options.max_passes = max_passes;
  options.check_finite = check_finite;
  options.callback = progress_callback(callback);
  return a.core->single_precision() ? run<float>(a, options, allocate) : run<double>(a, options, allocate);
}

}  // namespace

void register_svd(py::module_& m) {
  using namespace py::literals;
  m.def("svd", &svd_of, "op"_a, "rank"_a, "error"_a, "tol"_a, "seed"_a, "oversample"_a, "block_size"_a, "max_passes"_a,
        "check_finite"_a, "allocate"_a, "callback"_a, "start"_a = py::none());
}

}  // namespace corange::bindings

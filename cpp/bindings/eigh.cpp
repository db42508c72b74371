// corange._core.eigh
#include "corange/eigh/eigh.hpp"

#include "report.hpp"

namespace corange::bindings {
namespace {

template <class T>
py::dict run(const Operator& a, const SvdOptions& options, Which which, const py::function& allocate) {
  std::tuple<py::array, py::array> arrays;  // held until they are filled
  const auto outputs = [&](Index rank) {
    const py::gil_scoped_acquire gil;
    arrays = py::cast<std::tuple<py::array, py::array>>(allocate(rank));
    const auto& [w, v] = arrays;
    if (!py::isinstance<py::array_t<T>>(w) || w.ndim() != 1 || w.size() != rank)
      throw py::value_error("w must be a vector of length rank");
    return EigenOutputs<T>{static_cast<T*>(const_cast<void*>(w.data())), writable<T>(v, a.core->rows(), rank, "V")};
  };
  SvdReport report;
  {
    const py::gil_scoped_release release;
    report = eigh<T>(*a.core, options, which, outputs);
  }
  py::dict dict = to_dict(report);
  dict["scale"] = report.scale;
  return dict;
}

py::dict eigh_of(const Operator& a, Index rank, const std::string& which, double tol, std::uint64_t seed,
                 std::optional<Index> block_size, std::optional<Index> max_passes, bool check_finite,
                 const py::function& allocate, const py::object& callback) {
  if (which != "LM" && which != "LA" && which != "SA") throw py::value_error("which must be 'LM', 'LA' or 'SA'");
  SvdOptions options;
  options.rank = rank;
  options.tol = tol;
  options.seed = seed;
  options.block_size = block_size;
  options.max_passes = max_passes;
  options.check_finite = check_finite;
  options.callback = progress_callback(callback);
  const Which end = which == "LM" ? Which::magnitude : which == "LA" ? Which::largest : Which::smallest;
  return a.core->single_precision() ? run<float>(a, options, end, allocate) : run<double>(a, options, end, allocate);
}

}  // namespace

void register_eigh(py::module_& m) {
  using namespace py::literals;
  m.def("eigh", &eigh_of, "op"_a, "rank"_a, "which"_a, "tol"_a, "seed"_a, "block_size"_a, "max_passes"_a, "check_finite"_a,
        "allocate"_a, "callback"_a);
}

}  // namespace corange::bindings

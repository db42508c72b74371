// The arrays of SciPy's CSR and CSC as sparse operators.
#include "corange/operators/sparse.hpp"

#include "operator.hpp"

namespace corange::bindings {
namespace {

template <class S, class I>
std::shared_ptr<const LinearOperator> make(const py::array& indptr, const py::array& indices, const py::array& data, Index outer,
                                           Index inner, bool by_rows) {
  const CompressedView<S, I> view{
      outer, inner, starts_of(indptr), static_cast<const I*>(indices.data()), static_cast<const S*>(data.data()), 1};
  return std::make_shared<SparseOperator<S, I>>(view, std::min<Index>(indices.size(), data.size()), by_rows);
}

template <class S>
std::shared_ptr<const LinearOperator> by_index_type(const py::array& indptr, const py::array& indices, const py::array& data,
                                                    Index outer, Index inner, bool by_rows) {
  if (py::isinstance<py::array_t<std::int64_t>>(indices))
    return make<S, std::int64_t>(indptr, indices, data, outer, inner, by_rows);
  exactly<std::int32_t>(indices, "indices");
  return make<S, std::int32_t>(indptr, indices, data, outer, inner, by_rows);
}

}  // namespace

std::shared_ptr<const LinearOperator> make_sparse(const py::array& indptr, const py::array& indices, const py::array& data,
                                                  Index rows, Index cols, bool by_rows) {
  for (const py::array& a : {indptr, indices, data})
    if (a.ndim() != 1 || (a.size() > 1 && a.strides(0) != a.itemsize()))
      throw py::value_error("sparse arrays must be one-dimensional and contiguous");
  if (rows < 0 || cols < 0) throw py::value_error("shape must not be negative");
  const Index outer = by_rows ? rows : cols, inner = by_rows ? cols : rows;
  if (indptr.size() != outer + 1)
    throw py::value_error("the sparse matrix is malformed: indptr has " + std::to_string(indptr.size()) + " entries, must have " +
                          std::to_string(outer + 1));
  if (py::isinstance<py::array_t<float>>(data)) return by_index_type<float>(indptr, indices, data, outer, inner, by_rows);
  if (py::isinstance<py::array_t<double>>(data)) return by_index_type<double>(indptr, indices, data, outer, inner, by_rows);
  throw py::type_error("sparse data must be float32 or float64");
}

}  // namespace corange::bindings

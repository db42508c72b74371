// The module corange._core: a list of what it holds. Each family registers itself in its own file.
#include "module.hpp"

PYBIND11_MODULE(CORANGE_MODULE, m) {
  corange::bindings::register_core(m);
  corange::bindings::register_operators(m);
  corange::bindings::register_linalg(m);
  corange::bindings::register_sketch(m);
  corange::bindings::register_svd(m);
  corange::bindings::register_eigh(m);
  corange::bindings::register_lstsq(m);
  corange::bindings::register_kernel(m);
  corange::bindings::register_cur(m);
  corange::bindings::register_nmf(m);
  corange::bindings::register_nmf_divergence(m);
}

// Options from Python and reports to Python, shared by svd and eigh.
#pragma once

#include <pybind11/stl.h>

#include "corange/svd/report.hpp"
#include "operator.hpp"

namespace corange::bindings {

/// The callback as the core wants it: takes the GIL, passes a dict, reads the answer's truth.
ProgressCallback progress_callback(const py::object& callback);

py::dict to_dict(const SvdReport& report);

}  // namespace corange::bindings

// The three channels of failure: bad input and breakdown are exceptions, "did not converge" is a status in the report.
#pragma once

#include <stdexcept>
#include <string>

namespace corange {

/// An argument is illegal; thrown before work starts. Python: ValueError.
struct InvalidArgument : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// The numbers broke down (for example a user's operator returned NaN). Python: numpy.linalg.LinAlgError.
struct NumericalError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The interrupt hook asked to stop. Python: KeyboardInterrupt, or whatever its signal handler raised.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

}  // namespace corange

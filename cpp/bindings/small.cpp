// The small dense kernels, compiled once.
#include "corange/linalg/small_impl.hpp"

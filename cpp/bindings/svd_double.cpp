// svd in double precision, compiled by itself so that the two build side by side.
#include "corange/svd/svd.hpp"

namespace corange {
template SvdReport svd<double>(const LinearOperator&, const SvdOptions&, const SvdAllocate<double>&);
}  // namespace corange

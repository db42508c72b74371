// svd in float precision, compiled by itself so that the two build side by side.
#include "corange/svd/svd.hpp"

namespace corange {
template SvdReport svd<float>(const LinearOperator&, const SvdOptions&, const SvdAllocate<float>&);
}  // namespace corange

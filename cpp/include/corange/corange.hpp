// All of corange, in dependency order.
#pragma once

#include "corange/core/errors.hpp"
#include "corange/core/memory.hpp"
#include "corange/core/parallel.hpp"
#include "corange/core/philox.hpp"
#include "corange/core/types.hpp"

#include "corange/linalg/blocks.hpp"
#include "corange/linalg/exponential.hpp"
#include "corange/linalg/gram.hpp"
#include "corange/linalg/hadamard.hpp"
#include "corange/linalg/orthonormalize.hpp"
#include "corange/linalg/small.hpp"

#include "corange/operators/affine.hpp"
#include "corange/operators/callback.hpp"
#include "corange/operators/dense.hpp"
#include "corange/operators/row_blocked.hpp"
#include "corange/operators/sparse.hpp"

#include "corange/sketch/sparse_rows.hpp"
#include "corange/sketch/sparse_sign.hpp"
#include "corange/sketch/srht.hpp"
#include "corange/sketch/variate_sketch.hpp"

#include "corange/cur/bounded.hpp"
#include "corange/cur/farthest.hpp"
#include "corange/cur/pivoted_lu.hpp"
#include "corange/cur/pivoted_qr.hpp"

#include "corange/eigh/eigh.hpp"
#include "corange/kernel/cholesky_step.hpp"
#include "corange/kernel/kmeans.hpp"
#include "corange/kernel/pairwise.hpp"
#include "corange/kernel/pivoted_cholesky.hpp"
#include "corange/lstsq/lstsq.hpp"
#include "corange/nmf/frobenius.hpp"
#include "corange/nmf/starts.hpp"
#include "corange/svd/svd.hpp"

// Matrices that fit in cache, in double, and the eigenpairs of one.
#pragma once

#include <Eigen/Core>

namespace corange {

using SmallMatrix = Eigen::MatrixXd;
using SmallVector = Eigen::VectorXd;

/// Eigenvalues ascending, eigenvectors in the columns.
struct SmallEigen {
  SmallVector values;
  SmallMatrix vectors;
};

}  // namespace corange

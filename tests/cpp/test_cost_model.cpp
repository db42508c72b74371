#include "corange/svd/cost_model.hpp"

#include "check.hpp"

using namespace corange;

namespace {

/// Shape and place of a matrix, all that a plan may depend on.
class Outline final : public LinearOperator {
 public:
  Outline(Index rows, Index cols, Storage storage) : rows_(rows), cols_(cols), storage_(storage) {}

  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  Storage storage() const override { return storage_; }
  double entries() const override { return static_cast<double>(rows_) * static_cast<double>(cols_); }
  bool single_precision() const override { return false; }
  void apply(BlockView<const float>, BlockView<float>) const override { refuse(); }
  void apply(BlockView<const double>, BlockView<double>) const override { refuse(); }
  void apply_adjoint(BlockView<const float>, BlockView<float>) const override { refuse(); }
  void apply_adjoint(BlockView<const double>, BlockView<double>) const override { refuse(); }
  std::unique_ptr<LinearOperator> view(bool transpose, double) const override {
    return std::make_unique<Outline>(transpose ? cols_ : rows_, transpose ? rows_ : cols_, storage_);
  }

 private:
  [[noreturn]] static void refuse() { throw std::logic_error("planning multiplies with nothing"); }

  Index rows_, cols_;
  Storage storage_;
};

constexpr Storage kEverywhere[] = {Storage::dense, Storage::sparse, Storage::disk, Storage::callback};
constexpr Index kSides[] = {1, 2, 16, 63, 64, 65, 200, 1000, 30'000};
constexpr Index kRanks[] = {1, 2, 7, 10, 16, 50, 64, 100, 500, 12'000};

Index block_of(Storage storage, Index rank, std::size_t scalar_bytes) {
  return plan_krylov(Outline(40'000, 30'000, storage), {}, rank, scalar_bytes).block;
}

/// Calls check(a, rank, scalar_bytes) for all places, sides and ranks that fit.
template <class Check>
void for_all(const Check& check) {
  for (const Storage storage : kEverywhere)
    for (const Index n : kSides)
      for (const Index rank : kRanks)
        for (const std::size_t bytes : {sizeof(float), sizeof(double)})
          if (rank <= n) check(Outline(n, n + 100, storage), rank, bytes);
}

}  // namespace

TEST("cost model: a row of a block is one cache line for sparse data, more for dense data") {
  for (const Index rank : kRanks) {
    CHECK(block_of(Storage::sparse, rank, sizeof(float)) == 16);
    CHECK(block_of(Storage::sparse, rank, sizeof(double)) == 8);
    for (const std::size_t bytes : {sizeof(float), sizeof(double)})
      CHECK(block_of(Storage::dense, rank, bytes) > block_of(Storage::sparse, rank, bytes));
  }
}

TEST("cost model: blocks are the wider the dearer a pass") {
  for (const Index rank : kRanks)
    for (const std::size_t bytes : {sizeof(float), sizeof(double)}) {
      const Index disk = block_of(Storage::disk, rank, bytes), callback = block_of(Storage::callback, rank, bytes);
      CHECK(disk >= 2 * rank);
      CHECK(rank < 4 ? disk >= callback : disk > callback);
      CHECK(callback >= block_of(Storage::sparse, rank, bytes));
    }
}

TEST("cost model: the whole space is the basis for tiny matrices and large ranks only") {
  for_all([](const Outline& a, Index rank, std::size_t bytes) {
    const Index n = std::min(a.rows(), a.cols());
    const bool direct = plan_krylov(a, {}, rank, bytes).direct;
    CHECK(direct || n > 64);
    CHECK(!direct || n <= 64 || rank >= 0.4 * static_cast<double>(n));
    CHECK(direct || rank < n / 2);
  });
}

TEST("cost model: the basis has room for the wanted and two more blocks, but is no longer than the space") {
  const auto check = [](const KrylovPlan& plan, Index n, Index rank) {
    CHECK(plan.block >= 1 && plan.block <= n);
    CHECK(plan.max_basis <= n);
    CHECK(plan.max_basis >= std::min(n, rank + 2 * plan.block));
    CHECK(default_passes(plan) >= 1000);
  };
  for_all([&](const Outline& a, Index rank, std::size_t bytes) {
    const Index n = std::min(a.rows(), a.cols());
    check(plan_krylov(a, {}, rank, bytes), n, rank);
    for (const Index chosen : {Index{1}, Index{5}, n, n + 7}) {
      SvdOptions options;
      options.block_size = chosen;
      check(plan_krylov(a, options, rank, bytes), n, rank);
      CHECK(plan_krylov(a, options, rank, bytes).block == std::min(chosen, n));
      options.oversample = chosen;
      check(plan_krylov(a, options, rank, bytes), n, rank);
    }
  });
}

TEST("cost model: a matrix and its transpose are planned alike") {
  for_all([](const Outline& a, Index rank, std::size_t bytes) {
    const KrylovPlan one = plan_krylov(a, {}, rank, bytes), other = plan_krylov(*a.view(true, 1), {}, rank, bytes);
    CHECK(one.direct == other.direct && one.block == other.block && one.max_basis == other.max_basis);
  });
}

TEST("cost model: blocks are as wide as it takes to complete the basis in the steps there are, and no wider") {
  for_all([](const Outline& a, Index rank, std::size_t bytes) {
    const KrylovPlan free = plan_krylov(a, {}, rank, bytes);
    for (const Index steps : {Index{-2}, Index{0}, Index{1}, Index{2}, Index{3}, Index{10}, Index{100'000}}) {
      const KrylovPlan plan = plan_krylov(a, {}, rank, bytes, steps);
      const Index taken = std::max<Index>(steps, 1);
      CHECK(plan.block * taken >= rank);
      CHECK(plan.block == free.block || (plan.block - 1) * taken < rank);
      CHECK(plan.block >= free.block);
      CHECK(plan.max_basis >= rank && plan.max_basis <= a.rows());
    }
  });
  SvdOptions options;
  options.block_size = 2;  // yields where it would leave the answer short
  CHECK(plan_krylov(Outline(900, 800, Storage::dense), options, 60, 8, 5).block == 12);
  CHECK(plan_krylov(Outline(900, 800, Storage::dense), options, 60, 8, 30).block == 2);
}

TEST("cost model: tolerances are not below sixteen roundings of the precision that residuals are measured in") {
  CHECK(attainable<double>(1e-3) == 1e-3 && attainable<float>(1e-3) == 1e-3);
  CHECK(attainable<double>(0) == 16 * std::numeric_limits<double>::epsilon());
  CHECK(attainable<float>(1e-9) == 16 * static_cast<double>(std::numeric_limits<float>::epsilon()));
}

// The micro-kernel that every dense product here is made of: C (op)= A B with a narrow row-major B.
//
//   C[i, :] (op)= sum_p A(i, p) B[p, :]        op one of  =  +=  -=
//
// A is m x k with any strides, so A, A', a tile of a user's matrix or a slice of a basis all go through the same code without
// packing. MR x NV vectors of C stay in registers while p runs; A's entries are broadcast, B's rows are loaded as vectors.
// Cost: 2 m k w flops; reads B once per MR rows of A from L1/L2. Each entry of C is one chain of multiply-adds in the order of p,
// whatever MR, NV or the caller's tiling are: this is what makes results independent of blocking.
#pragma once

#include "corange/linalg/simd.hpp"

namespace corange {

enum class Store { set, add, subtract };

/// What is read after the A of a product: the rows below it, what follows each of its rows, or something else.
enum class Next { rows, inner, elsewhere };

/// Memory that is read after a product, `rows` pieces of `bytes` that are `stride` bytes apart.
struct Upcoming {
  const char* at = nullptr;
  Index rows = 0, bytes = 1, stride = 0;

  Index total() const { return rows * bytes; }
  Upcoming middle_rows(Index start, Index count) const { return {at + start * stride, count, bytes, stride}; }
};

namespace detail {

template <class T, int MR, int NV>
struct MicroKernel {
  using V = simd::Vector<T>;
  static constexpr int kLanes = simd::kLanes<T>;

  /// Asks for entries of A that come next: MR streams of short rows, and rows of A' all the more, are nothing that hardware
  /// foresees. Of next rows each line is asked for once where rows are contiguous (p % kLine takes all values along it), and where
  /// columns are; of next columns where columns are.
  template <Next next>
  static void prefetch(const T* a, Index a_row, Index a_col, Index p, Index k) {
    constexpr int kLine = 64 / sizeof(T);
    for (int i = 0; i < MR; i += kLine)
      if constexpr (next == Next::rows)
        __builtin_prefetch(a + (MR + i + p % kLine) * a_row + p * a_col, 0, 2);
      else
        __builtin_prefetch(a + i * a_row + (k + p) * a_col, 0, 2);
  }

  /// Never inlined: within loops that hold several of them, registers and addresses come out differently, up to 1.6 times slower.
  /// Loops over rows and vectors of C are unrolled by name: GCC unrolls them too late otherwise, when C has gone to the stack.
  template <Next next>
  [[gnu::noinline]] static void run(Index k, const T* a, Index a_row, Index a_col, const T* b, Index ldb, T* c, Index ldc,
                                    Store op, const char* ahead, Index ahead_step) {
    V acc[MR][NV];
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) acc[i][v] = V{};
    for (Index p = 0; p < k; ++p) {
      V bp[NV];
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) bp[v] = simd::load(b + p * ldb + v * kLanes);
      if constexpr (next == Next::elsewhere)
        __builtin_prefetch(ahead + p * ahead_step, 0, 2);
      else if constexpr (MR > 4)
        prefetch<next>(a, a_row, a_col, p, k);
#pragma GCC unroll 16
      for (int i = 0; i < MR; ++i) {
        const T x = a[i * a_row + p * a_col];
#pragma GCC unroll 16
        for (int v = 0; v < NV; ++v) acc[i][v] += x * bp[v];
      }
    }
    if (op == Store::set)
      finish(acc, c, ldc, [](const T*, V sum) __attribute__((always_inline)) { return sum; });
    else if (op == Store::add)
      finish(acc, c, ldc, [](const T* old, V sum) __attribute__((always_inline)) { return V(simd::load(old) + sum); });
    else
      finish(acc, c, ldc, [](const T* old, V sum) __attribute__((always_inline)) { return V(simd::load(old) - sum); });
  }

  template <class Merge>
  [[gnu::always_inline]] static void finish(const V (&acc)[MR][NV], T* c, Index ldc, const Merge& merge) {
#pragma GCC unroll 16
    for (int i = 0; i < MR; ++i)
#pragma GCC unroll 16
      for (int v = 0; v < NV; ++v) {
        T* target = c + i * ldc + v * kLanes;
        simd::store<T>(target, merge(target, acc[i][v]));
      }
  }
};

/// Goes through upcoming memory at the pace of the micro-kernel.
struct Ahead {
  Upcoming rest;
  Index step = 0, offset = 0;

  const char* at() const { return rest.at + offset; }
  void advance(Index steps) {
    for (offset += steps * step; offset >= rest.bytes; offset -= rest.bytes) rest.at += rest.stride;
  }
};

/// Vectors of a row of C held at once, and rows of C that fit in registers beside them and one broadcast.
inline constexpr int kMicroVectors = simd::kRegisters == 32 ? 4 : 2;
template <int NV>
inline constexpr int kMicroRows = NV == 1 ? (simd::kRegisters == 32 ? 12 : 8) : (simd::kRegisters - NV - 1) / NV / 2 * 2;

template <class T, int NV, Next next>
void panel_rows(StridedView<T> a, const T* b, Index ldb, T* c, Index ldc, Store op, Ahead& ahead) {
  constexpr int kRows = kMicroRows<NV>;
  Index i = 0;
  const auto step = [&]<int MR>() {
    for (; i + MR <= a.rows; i += MR) {
      MicroKernel<T, MR, NV>::template run<next>(a.cols, a.data + i * a.row_stride, a.row_stride, a.col_stride, b, ldb,
                                                 c + i * ldc, ldc, op, ahead.at(), ahead.step);
      if constexpr (next == Next::elsewhere) ahead.advance(a.cols);
    }
  };
  step.template operator()<kRows>();
  if constexpr (kRows > 4) step.template operator()<4>();
  if constexpr (kRows > 2) step.template operator()<2>();
  step.template operator()<1>();
}

/// Columns [j, j + kGroup) of C, or what is left of them.
template <class T, Next next>
void panel_columns(StridedView<T> a, BlockView<const T> b, BlockView<T> c, Index j, Store op, Ahead& ahead) {
  const T* bj = b.data + j;
  T* cj = c.data + j;
  switch (std::min<Index>(b.width() - j, kMicroVectors * simd::kLanes<T>) / simd::kLanes<T>) {
    case 1:
      return panel_rows<T, 1, next>(a, bj, b.ld, cj, c.ld, op, ahead);
    case 2:
      return panel_rows<T, 2, next>(a, bj, b.ld, cj, c.ld, op, ahead);
    case 3:
      return panel_rows<T, std::min(3, kMicroVectors), next>(a, bj, b.ld, cj, c.ld, op, ahead);
    default:
      return panel_rows<T, kMicroVectors, next>(a, bj, b.ld, cj, c.ld, op, ahead);
  }
}

inline constexpr Index kPanelBytes = 192 * 1024;  // of B, and of A where B is wide: they stay in L2
template <class T>
inline constexpr Index kPanelGroup = kMicroVectors * simd::kLanes<T>;  // columns of C computed at once

/// Rows of B used at once.
template <class T>
Index panel_depth(Index width) {
  return std::max<Index>(64, kPanelBytes / (static_cast<Index>(sizeof(T)) * std::min(width, kPanelGroup<T>)));
}

}  // namespace detail

/// Whether rows of C are read and written once, after the same rows of A have been read: then C may be A.
template <class T>
bool panel_in_place(Index inner, Index width) {
  return width <= detail::kPanelGroup<T> && inner <= detail::panel_depth<T>(width);
}

/// C (op)= A B; serial. B and C are padded blocks of equal width. k is cut so that the piece of B in use stays in L2, and where B
/// is wide, so are the rows of A, for those columns that are computed at once read them anew. With Next::elsewhere, upcoming memory
/// is asked for meanwhile, so that reading it and computing overlap.
template <class T, Next next = Next::rows>
void panel_product(StridedView<T> a, BlockView<const T> b, BlockView<T> c, Store op, const Upcoming& upcoming = {}) {
  constexpr Index kGroup = detail::kPanelGroup<T>, kRows = 2 * detail::kMicroRows<detail::kMicroVectors>;
  const Index width = b.width(), bytes = static_cast<Index>(sizeof(T));
  if (width == 0) return;
  const Index piece = detail::panel_depth<T>(width);
  const Index fitting = detail::kPanelBytes / (bytes * std::clamp<Index>(a.cols, 1, piece)) / kRows;
  const Index rows = width <= kGroup ? std::max<Index>(a.rows, 1) : std::max<Index>(fitting, 1) * kRows;
  const Index groups = (width + kGroup - 1) / kGroup;
  const Index steps = std::max<Index>(a.rows * a.cols * groups / detail::kMicroRows<detail::kMicroVectors>, 1);
  detail::Ahead ahead{upcoming, (upcoming.total() + steps - 1) / steps};
  if (upcoming.total() == 0) ahead.rest = {reinterpret_cast<const char*>(b.data), 1, 1, 0};
  if (a.cols == 0 && op == Store::set)
    for (Index i = 0; i < c.rows; ++i) std::fill_n(c.row(i), width, T(0));
  for (Index p = 0; p < a.cols; p += piece) {
    const Index inner = std::min(piece, a.cols - p);
    const Store op_p = p == 0 || op != Store::set ? op : Store::add;
    for (Index i = 0; i < a.rows; i += rows) {
      const Index count = std::min(rows, a.rows - i);
      const StridedView<T> block{a.data + i * a.row_stride + p * a.col_stride, count, inner, a.row_stride, a.col_stride};
      for (Index j = 0; j < width; j += kGroup)
        detail::panel_columns<T, next>(block, b.middle_rows(p, inner), c.middle_rows(i, count), j, op_p, ahead);
    }
  }
}

}  // namespace corange

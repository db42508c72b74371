// Index type, views and the one owning container of the core.
//
// Two shapes of memory are all the kernels know:
//   StridedView  what a user hands us: any strides, also negative or zero, read-only;
//   BlockView    a tall thin matrix that is ours: row-major, rows `ld` apart, `ld` padded to 64 bytes. Kernels compute on the
//                padding too, which keeps every inner loop free of remainders; padding is zero where a Block is made and
//                products keep it zero.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace corange {

using Index = std::int64_t;

inline constexpr std::size_t kAlignment = 64;

/// Columns rounded up so that a row of T fills whole 64-byte lines.
template <class T>
constexpr Index padded(Index cols) {
  constexpr Index lane = static_cast<Index>(kAlignment / sizeof(T));
  return (cols + lane - 1) / lane * lane;
}

/// rows x cols, entry (i, j) at data[i * row_stride + j * col_stride].
template <class T>
struct StridedView {
  const T* data = nullptr;
  Index rows = 0, cols = 0;
  Index row_stride = 0, col_stride = 0;

  const T& operator()(Index i, Index j) const { return data[i * row_stride + j * col_stride]; }
  StridedView middle_rows(Index start, Index count) const {
    return {data + start * row_stride, count, cols, row_stride, col_stride};
  }
};

/// Row-major rows x cols with ld >= padded<T>(cols), every row 64-byte aligned; T may be const.
template <class T>
struct BlockView {
  T* data = nullptr;
  Index rows = 0, cols = 0, ld = 0;

  T& operator()(Index i, Index j) const { return data[i * ld + j]; }
  T* row(Index i) const { return data + i * ld; }
  /// Columns including the padding that kernels may read and write.
  Index width() const { return padded<std::remove_const_t<T>>(cols); }
  BlockView middle_rows(Index start, Index count) const { return {data + start * ld, count, cols, ld}; }
  operator BlockView<const T>() const { return {data, rows, cols, ld}; }
};

namespace detail {

/// Large blocks are written once and read often at random: huge pages save the faults of the first and the misses of the second.
inline void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__)
  constexpr std::size_t kHuge = std::size_t{2} << 20;
  const auto start = (reinterpret_cast<std::uintptr_t>(memory) + kHuge - 1) / kHuge * kHuge;
  const auto end = (reinterpret_cast<std::uintptr_t>(memory) + bytes) / kHuge * kHuge;
  if (end > start) madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#endif
}

}  // namespace detail

template <class T>
StridedView<std::remove_const_t<T>> strided(BlockView<T> x) {
  return {x.data, x.rows, x.cols, x.ld, 1};
}
template <class T>
StridedView<std::remove_const_t<T>> transposed(BlockView<T> x) {
  return {x.data, x.cols, x.rows, 1, x.ld};
}

/// For blocks of which only columns are read that were written before.
struct Uninitialized {};
inline constexpr Uninitialized uninitialized{};

/// For blocks whose columns are all written before anything is read: only the padding is zeroed.
struct Overwritten {};
inline constexpr Overwritten overwritten{};

/// Owning block, zero where it is made; move-only, so that no large copy happens by accident.
template <class T>
class Block {
 public:
  Block() = default;
  Block(Index rows, Index cols) : Block(uninitialized, rows, cols) { set_zero(); }
  Block(Uninitialized, Index rows, Index cols)
      : data_(allocate(rows * padded<T>(cols))),
        capacity_(rows * padded<T>(cols)),
        view_{data_.get(), rows, cols, padded<T>(cols)} {}

  Block(Overwritten, Index rows, Index cols) : Block(uninitialized, rows, cols) {
    // All padding is in the last line of a row; that line as a whole is one or two instructions.
    constexpr Index kLine = static_cast<Index>(kAlignment / sizeof(T));
    if (cols < view_.ld)
      for (Index i = 0; i < rows; ++i) std::memset(static_cast<void*>(view_.row(i) + view_.ld - kLine), 0, kAlignment);
  }

  BlockView<T> view() { return view_; }
  BlockView<const T> view() const { return view_; }
  BlockView<T> cols(Index count) { return {view_.data, view_.rows, count, view_.ld}; }
  BlockView<const T> cols(Index count) const { return {view_.data, view_.rows, count, view_.ld}; }
  Index rows() const { return view_.rows; }
  Index cols() const { return view_.cols; }
  Index ld() const { return view_.ld; }
  T* data() { return view_.data; }
  const T* data() const { return view_.data; }
  T& operator()(Index i, Index j) { return view_(i, j); }
  const T& operator()(Index i, Index j) const { return view_(i, j); }
  void set_zero() { std::memset(static_cast<void*>(view_.data), 0, sizeof(T) * static_cast<std::size_t>(capacity_)); }
  std::size_t bytes() const { return sizeof(T) * static_cast<std::size_t>(capacity_); }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete[](p, std::align_val_t{kAlignment}); }
  };
  static T* allocate(Index count) {
    const auto bytes = sizeof(T) * static_cast<std::size_t>(std::max<Index>(count, 1));
    void* memory = ::operator new[](bytes, std::align_val_t{kAlignment});
    detail::prefer_huge_pages(memory, bytes);
    return static_cast<T*>(memory);
  }

  std::unique_ptr<T[], Free> data_;
  Index capacity_ = 0;
  BlockView<T> view_;
};

/// Copies cols columns of src into dst (other padding, other precision).
template <class S, class D>
void copy_block(BlockView<S> src, BlockView<D> dst) {
  for (Index i = 0; i < dst.rows; ++i)
    for (Index j = 0; j < dst.cols; ++j) dst(i, j) = static_cast<D>(src(i, j));
}

}  // namespace corange

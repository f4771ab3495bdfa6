// Memory of one call or of one batch: taken piece by piece, freed all at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "engine/error.h"
#include "engine/huge_pages.h"

#ifndef FEATDSL_ARENA_LIMIT_BYTES
#define FEATDSL_ARENA_LIMIT_BYTES (size_t{4} << 30)
#endif

namespace feat {

// A bump allocator. Every piece is aligned to 64 bytes, and kSlack bytes behind it may be read and, until the next
// piece is taken, written. Not thread safe.
class Arena {
 public:
  static constexpr size_t kSlack = 256;

  explicit Arena(size_t limit_bytes = kDefaultLimit) : limit_(limit_bytes) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `count` values, not initialized. Errors: EngineError past the limit.
  template <class T>
  T* take(int64_t count) {
    static_assert(std::is_trivially_destructible_v<T> && alignof(T) <= kAlign);
    if (count < 0 || static_cast<uint64_t>(count) > limit_ / sizeof(T)) too_large();
    return static_cast<T*>(take_bytes(static_cast<size_t>(count) * sizeof(T)));
  }

  template <class T>
  T* take_zero(int64_t count) {
    T* taken = take<T>(count);
    std::memset(static_cast<void*>(taken), 0, static_cast<size_t>(count) * sizeof(T));
    return taken;
  }

  // Makes the newest piece longer in place; false if that is not possible.
  bool extend(const void* piece, size_t old_bytes, size_t new_bytes) {
    const size_t reserved = round_up(old_bytes), wanted = round_up(new_bytes);
    if (static_cast<const std::byte*>(piece) + reserved != next_ ||
        wanted - reserved > static_cast<size_t>(end_ - next_)) {
      return false;
    }
    next_ += wanted - reserved;
    return true;
  }

  // As much is likely to be taken: of an arena without memory the first block has that size, up to a limit.
  void expect(size_t bytes);
  // Forgets every piece; keeps up to `kept_bytes` of memory for the next use, as one block the next time.
  void reset(size_t kept_bytes);
  size_t reserved_bytes() const { return reserved_; }
  // Whether an address lies in a piece of this arena.
  bool holds(const void* address) const;

 private:
  static constexpr size_t kAlign = 64;
  static constexpr size_t kDefaultLimit = FEATDSL_ARENA_LIMIT_BYTES;
  struct Block {
    HugePages memory;
    std::byte* start;
    size_t bytes;
  };

  static constexpr size_t round_up(size_t bytes) { return bytes == 0 ? kAlign : (bytes + kAlign - 1) & ~(kAlign - 1); }
  void* take_bytes(size_t bytes) {
    const size_t rounded = round_up(bytes);
    if (rounded > static_cast<size_t>(end_ - next_)) add_block(rounded);
    void* taken = next_;
    next_ += rounded;
    return taken;
  }
  void add_block(size_t bytes);
  void enter(const Block& block);
  [[noreturn]] void too_large() const;

  std::vector<Block> blocks_;
  std::byte* next_ = nullptr;
  std::byte* end_ = nullptr;
  size_t current_ = 0;  // blocks in use
  size_t reserved_ = 0;
  size_t next_block_ = 0;  // its least size
  size_t limit_;
};

// The memory of a batch. When its last owner is gone it is kept for the next batch, up to a limit of all that is kept:
// memory that was written before costs the system no new pages.
std::shared_ptr<Arena> batch_memory();

// An array in an arena that grows at its end.
template <class T>
class Growing {
 public:
  explicit Growing(Arena& arena, int64_t capacity = 0) : arena_(&arena) {
    if (capacity > 0) reserve(capacity);
  }

  void push(T value) {
    if (size_ == capacity_) reserve(size_ + 1);
    data_[size_++] = value;
  }

  // `count` more values, not initialized.
  T* grow(int64_t count) {
    if (count > capacity_ - size_) reserve(size_ + count);
    T* start = data_ + size_;
    size_ += count;
    return start;
  }

  void append(const T* values, int64_t count) {
    if (count > 0) std::memcpy(static_cast<void*>(grow(count)), values, static_cast<size_t>(count) * sizeof(T));
  }

  void truncate(int64_t size) { size_ = size < size_ ? size : size_; }
  void fill(int64_t count, T value) {
    T* start = grow(count);
    for (int64_t i = 0; i < count; ++i) start[i] = value;
  }

  int64_t size() const { return size_; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](int64_t i) { return data_[i]; }
  T operator[](int64_t i) const { return data_[i]; }

 private:
  void reserve(int64_t wanted) {
    int64_t capacity = capacity_ < 16 ? 16 : capacity_ * 2;
    if (capacity < wanted) capacity = wanted;
    const size_t used = static_cast<size_t>(capacity_) * sizeof(T);
    if (data_ == nullptr || !arena_->extend(data_, used, static_cast<size_t>(capacity) * sizeof(T))) {
      T* larger = arena_->take<T>(capacity);
      if (size_ > 0) std::memcpy(static_cast<void*>(larger), data_, static_cast<size_t>(size_) * sizeof(T));
      data_ = larger;
    }
    capacity_ = capacity;
  }

  Arena* arena_;
  T* data_ = nullptr;
  int64_t size_ = 0;
  int64_t capacity_ = 0;
};

}  // namespace feat

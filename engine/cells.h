// Cells of one size, numbered from 0, whose addresses never change: they lie in blocks, each as large as all before it
// together.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/error.h"
#include "engine/huge_pages.h"

namespace feat {

// One thread at a time makes cells; any may read those whose number it was told of after they were made.
class Cells {
 public:
  // `bytes`: of a cell, a multiple of 4.
  explicit Cells(size_t bytes) : bytes_(bytes) {
    while ((bytes << (bits_ + 1)) <= kFirstBlock) ++bits_;
  }
  Cells(const Cells&) = delete;
  Cells& operator=(const Cells&) = delete;

  template <class T>
  T* at(uint32_t number) const {
    const uintptr_t zero = zeros_[static_cast<size_t>(std::bit_width(number >> bits_))].load(std::memory_order_acquire);
    return reinterpret_cast<T*>(zero + number * bytes_);
  }

  // A cell of any content: one that was given back, or a new one. Errors: EngineError when there are kMost.
  uint32_t take() {
    if (!unused_.empty()) {
      const uint32_t number = unused_.back();
      unused_.pop_back();
      return number;
    }
    if (made_ == kMost) throw EngineError("a table has at most 4,294,967,294 rows, those of all its versions together");
    const auto block = static_cast<size_t>(std::bit_width(made_ >> bits_));
    if (block == blocks_.size()) {
      blocks_.emplace_back(bytes_ * (block == 0 ? size_t{1} << bits_ : size_t{made_}));
      zeros_[block].store(reinterpret_cast<uintptr_t>(blocks_.back().data()) - made_ * bytes_,
                          std::memory_order_release);
    }
    return made_++;
  }
  void give_back(uint32_t number) { unused_.push_back(number); }

  static constexpr uint32_t kNone = UINT32_MAX, kMost = UINT32_MAX - 1;
  // How many there are, unused ones too: their numbers are below it.
  uint32_t made() const { return made_; }
  const std::vector<uint32_t>& unused() const { return unused_; }
  int64_t bytes() const { return static_cast<int64_t>(made_ * bytes_ + unused_.capacity() * sizeof(uint32_t)); }

 private:
  static constexpr size_t kFirstBlock = size_t{64} << 10;

  const size_t bytes_;
  int bits_ = 0;
  // Where a block's cells would begin if they began with number 0.
  std::array<std::atomic<uintptr_t>, 33> zeros_{};
  std::vector<HugePages> blocks_;
  std::vector<uint32_t> unused_;
  uint32_t made_ = 0;
};

}  // namespace feat

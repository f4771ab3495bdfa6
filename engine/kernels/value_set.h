// Values told apart as the language identifies them: -0.0 is 0.0, and NaN is one value.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/xxh64.h"

namespace feat {

template <class T>
bool same_value(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, double>) return a == b || (std::isnan(a) && std::isnan(b));
  return a == b;
}

template <class T>
uint64_t value_hash(const T& value) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return xxh64(value, 0);
  } else if constexpr (std::is_same_v<T, double>) {
    const double one = std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value + 0.0;
    return xxh64(std::bit_cast<uint64_t>(one), 0);
  } else {
    return xxh64(static_cast<uint64_t>(value), 0);
  }
}

// Distinct values, numbered in the order they came. Few are searched through, many are hashed. One is kept a thread
// and cleared for each row, so that rows take no memory.
template <class T>
class ValueSet {
 public:
  struct Place {
    int64_t number;  // -1: not there
    bool fresh;
  };

  void clear(int64_t expected) {
    values_.clear();
    hashed_ = expected > kFew;
    if (hashed_) slots_.assign(std::bit_ceil(static_cast<size_t>(expected) * 2), kFree);
  }

  int64_t size() const { return static_cast<int64_t>(values_.size()); }
  T operator[](int64_t number) const { return static_cast<T>(values_[static_cast<size_t>(number)]); }

  // At most `expected` fresh ones.
  Place insert(const T& value) {
    if (!hashed_) {
      const int64_t number = search(value);
      if (number >= 0) return {number, false};
    } else {
      int32_t& slot = slots_[find_slot(value)];
      if (slot != kFree) return {slot, false};
      slot = static_cast<int32_t>(values_.size());
    }
    values_.push_back(value);
    return {size() - 1, true};
  }

  int64_t find(const T& value) const { return hashed_ ? slots_[find_slot(value)] : search(value); }

 private:
  using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
  static constexpr int64_t kFew = std::is_same_v<T, std::string_view> ? 8 : 16;
  static constexpr int32_t kFree = -1;

  int64_t search(const T& value) const {
    for (size_t i = 0; i < values_.size(); ++i) {
      if (same_value<Stored>(values_[i], value)) return static_cast<int64_t>(i);
    }
    return -1;
  }

  size_t find_slot(const T& value) const {
    const size_t mask = slots_.size() - 1;
    for (size_t at = value_hash(value) & mask;; at = (at + 1) & mask) {
      if (slots_[at] == kFree || same_value<Stored>(values_[static_cast<size_t>(slots_[at])], value)) return at;
    }
  }

  std::vector<Stored> values_;
  std::vector<int32_t> slots_;
  bool hashed_ = false;
};

}  // namespace feat

// Bodies of featdsl/operators/id.py.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kernel.h"
#include "engine/xxh64.h"

namespace feat::id {

inline constexpr uint64_t kSeed = 42;

inline uint64_t hashed(std::string_view value, uint64_t seed) { return xxh64(value, seed); }
inline uint64_t hashed(int64_t value, uint64_t seed) { return xxh64(static_cast<uint64_t>(value), seed); }
inline uint64_t hashed(bool value, uint64_t seed) { return xxh64(static_cast<uint64_t>(value), seed); }
inline uint64_t hashed(double value, uint64_t seed) {
  // -0.0 + 0.0 is 0.0; a NaN keeps its bits otherwise.
  const double one = std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value + 0.0;
  return xxh64(std::bit_cast<uint64_t>(one), seed);
}

// What a `hash` does: makes an id of a value (an id is one already), and folds it into buckets.
class Hash {
 public:
  explicit Hash(const Attributes& attributes)
      : is_id_(!attributes.has("seed")),
        seed_(is_id_ ? kSeed : static_cast<uint64_t>(attributes.integer("seed"))),
        form_(!attributes.has("buckets") ? Form::Whole
              : attributes.has("offset") ? Form::FromOffset
                                         : Form::FromOne) {
    if (form_ == Form::Whole) return;
    buckets_ = attributes.integer("buckets");
    if (form_ == Form::FromOffset) first_ = attributes.integer("offset");
    if (form_ == Form::FromOne) buckets_ -= 1;
    if (buckets_ < 1) throw EngineError("hash has too few buckets");
  }

  template <class T>
  Maybe<int64_t> operator()(const Maybe<T>& x) const {
    if (!x.has) return form_ == Form::FromOne ? Maybe<int64_t>(0) : Maybe<int64_t>();
    return folded(static_cast<int64_t>(hashed(x.value, seed_)));
  }

  Maybe<int64_t> operator()(const Maybe<int64_t>& x) const {
    const int64_t code = is_id_ ? x.value : static_cast<int64_t>(hashed(x.value, seed_));
    if (!x.has) return form_ == Form::FromOne ? Maybe<int64_t>(0) : Maybe<int64_t>();
    return folded(code);
  }

 private:
  enum class Form : uint8_t { Whole, FromOne, FromOffset };

  int64_t folded(int64_t code) const {
    if (form_ == Form::Whole) return code;
    const int64_t rest = code % buckets_;
    const int64_t bucket = rest < 0 ? rest + buckets_ : rest;
    return static_cast<int64_t>(static_cast<uint64_t>(first_) + static_cast<uint64_t>(bucket));
  }

  bool is_id_;
  uint64_t seed_;
  Form form_;
  int64_t buckets_ = 1;
  int64_t first_ = 1;
};

inline uint64_t chained(uint64_t so_far, int64_t part) { return xxh64(static_cast<uint64_t>(part), so_far); }

inline int64_t cross(const Variadic<int64_t>& parts) {
  uint64_t code = kSeed;
  for (const int64_t part : parts) code = chained(code, part);
  return static_cast<int64_t>(code);
}

inline constexpr int64_t kMostCombinations = int64_t{1} << 30;

// The Cartesian product, the first part slowest; null is an empty list.
inline void cross_lists(const Variadic<Maybe<ListIn<int64_t>>>& parts, ListOut<int64_t>& out) {
  int64_t combinations = 1;
  for (const Maybe<ListIn<int64_t>> part : parts) {
    if (!part.has || part.value.empty()) return;
    if (part.value.size() > kMostCombinations / combinations) {
      throw EngineError("a cross has more combinations than " + std::to_string(kMostCombinations));
    }
    combinations *= part.value.size();
  }
  // The chains of the parts so far; the last part goes straight to the output.
  thread_local std::vector<uint64_t> chains, longer;
  chains.assign(1, kSeed);
  for (size_t k = 0; k + 1 < parts.size(); ++k) {
    const Maybe<ListIn<int64_t>> part = parts[k];
    longer.clear();
    for (const uint64_t chain : chains) {
      for (const int64_t value : part.value) longer.push_back(chained(chain, value));
    }
    chains.swap(longer);
  }
  const Maybe<ListIn<int64_t>> last = parts[parts.size() - 1];
  for (const uint64_t chain : chains) {
    for (const int64_t value : last.value) out.push(static_cast<int64_t>(chained(chain, value)));
  }
}

// The entries of a vocabulary by hash: open addressing, at most half full.
template <class T>
class VocabIndex {
 public:
  template <class Entries>
  explicit VocabIndex(const Entries& entries)
      : entries_(entries.begin(), entries.end()), slots_(std::bit_ceil(entries.size() * 2 + 2)) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      const uint64_t hash = hashed(entries_[i], kSeed);
      Slot& slot = slots_[find(hash, entries_[i])];
      if (slot.number == 0) slot = {static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(i + 1)};
    }
  }

  // 0 for null, 1 for a value that is no entry, 2 and up for the entries.
  int64_t operator()(const Maybe<T>& x) const {
    if (!x.has) return 0;
    return int64_t{1} + slots_[find(hashed(x.value, kSeed), x.value)].number;
  }

 private:
  struct Slot {
    uint32_t mark = 0;    // upper half of the hash
    uint32_t number = 0;  // position + 1; 0: free
  };

  // The slot of a value, or the free one where it would be.
  size_t find(uint64_t hash, const T& value) const {
    const size_t mask = slots_.size() - 1;
    const auto mark = static_cast<uint32_t>(hash >> 32);
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
      const Slot& slot = slots_[at];
      if (slot.number == 0 || (slot.mark == mark && entries_[slot.number - 1] == value)) return at;
    }
  }

  std::vector<T> entries_;
  std::vector<Slot> slots_;
};

}  // namespace feat::id

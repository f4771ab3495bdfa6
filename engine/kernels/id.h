// Bodies of featdsl/operators/id.py.
#pragma once

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/farm64.h"
#include "engine/hash_many.h"
#include "engine/kernel.h"
#include "engine/murmur3.h"
#include "engine/same_text.h"
#include "engine/xxh64.h"

namespace feat::id {

inline constexpr uint64_t kSeed = TextCodes::kSeed;

// The bits by which a float is told from others: -0.0 + 0.0 is 0.0; a NaN keeps its bits otherwise.
inline uint64_t canonical_bits(double value) {
  return std::bit_cast<uint64_t>(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value + 0.0);
}
inline uint32_t canonical_bits(float value) {
  return std::bit_cast<uint32_t>(std::isnan(value) ? std::numeric_limits<float>::quiet_NaN() : value + 0.0F);
}

inline uint64_t hashed(std::string_view value, uint64_t seed) { return xxh64(value, seed); }
inline uint64_t hashed(int64_t value, uint64_t seed) { return xxh64(static_cast<uint64_t>(value), seed); }
inline uint64_t hashed(bool value, uint64_t seed) { return xxh64(static_cast<uint64_t>(value), seed); }
inline uint64_t hashed(double value, uint64_t seed) { return xxh64(canonical_bits(value), seed); }

// What TensorFlow makes a string of, and then hashes.
inline uint64_t farmed(std::string_view value) { return farm64(value); }
inline uint64_t farmed(bool value) { return farm64(value ? "true" : "false"); }
template <class Number>
uint64_t farmed(Number value) {
  char text[330];  // the largest float64 has 309 digits before the point
  std::to_chars_result end{};
  if constexpr (std::is_same_v<Number, double>) {
    if (std::isnan(value)) return farm64("nan");
    end = std::to_chars(text, std::end(text), value + 0.0, std::chars_format::fixed, 6);
  } else {
    end = std::to_chars(text, std::end(text), value);
  }
  return farm64({text, static_cast<size_t>(end.ptr - text)});
}

// What OpenMLDB hashes: the bytes of the value; `narrow` says that a number is an int or a float there.
template <class Bits>
uint64_t farmed_bits(Bits bits) {
  static_assert(std::endian::native == std::endian::little);
  char bytes[sizeof bits];
  std::memcpy(bytes, &bits, sizeof bits);
  return farm64({bytes, sizeof bits});
}
inline uint64_t farmed_bytes(std::string_view value, bool) { return farm64(value); }
inline uint64_t farmed_bytes(bool value, bool) { return farmed_bits(uint8_t{value}); }
inline uint64_t farmed_bytes(int64_t value, bool narrow) {
  return narrow ? farmed_bits(static_cast<uint32_t>(value)) : farmed_bits(value);
}
inline uint64_t farmed_bytes(double value, bool narrow) {
  return narrow ? farmed_bits(canonical_bits(static_cast<float>(value))) : farmed_bits(canonical_bits(value));
}

// Spark's hash; `narrow` says that the number is an int or a float there.
inline int64_t murmured(std::string_view value, uint32_t seed, bool) { return murmur3(value, seed); }
inline int64_t murmured(bool value, uint32_t seed, bool) { return murmur3(uint32_t{value}, seed); }
inline int64_t murmured(int64_t value, uint32_t seed, bool narrow) {
  return narrow ? murmur3(static_cast<uint32_t>(value), seed) : murmur3(static_cast<uint64_t>(value), seed);
}
inline int64_t murmured(double value, uint32_t seed, bool narrow) {
  return narrow ? murmur3(canonical_bits(static_cast<float>(value)), seed) : murmur3(canonical_bits(value), seed);
}

inline int64_t floormod(int64_t x, int64_t n) {
  const int64_t rest = x % n;
  return rest < 0 ? rest + n : rest;
}

// What a `hash` does: makes an id of a value (an id is one already), and folds it into buckets.
class Hash {
 public:
  explicit Hash(const Attributes& attributes)
      : algorithm_(algorithm_of(attributes)),
        seed_(algorithm_ == Algorithm::None ? kSeed : static_cast<uint64_t>(attributes.integer("seed"))),
        narrow_(attributes.has("width") && attributes.integer("width") == 32),
        form_(!attributes.has("buckets") ? Form::Whole
              : attributes.has("offset") ? Form::FromOffset
                                         : Form::FromOne) {
    if (form_ == Form::Whole) return;
    buckets_ = attributes.integer("buckets");
    if (form_ == Form::FromOffset) first_ = attributes.integer("offset");
    if (form_ == Form::FromOne) buckets_ -= 1;
    if (buckets_ < 1) throw EngineError("hash has too few buckets");
    fold_ = Fold(buckets_, first_);
  }

  bool takes_ids() const { return algorithm_ == Algorithm::None; }
  // How it folds ids, null if it does not.
  const Fold* fold_of_ids() const { return takes_ids() && form_ != Form::Whole ? &fold_ : nullptr; }
  bool is_xxhash64() const { return algorithm_ == Algorithm::Xxhash64; }
  uint64_t seed() const { return seed_; }
  bool null_is_zero() const { return form_ == Form::FromOne; }

  template <class T>
  int64_t code_of(const T& value) const {
    if (algorithm_ == Algorithm::Farm64) return static_cast<int64_t>(farmed(value));
    if (algorithm_ == Algorithm::Farm64Bytes) return static_cast<int64_t>(farmed_bytes(value, narrow_));
    if (algorithm_ == Algorithm::Murmur3) return murmured(value, static_cast<uint32_t>(seed_), narrow_);
    return static_cast<int64_t>(hashed(value, seed_));
  }

  // Whether it gives XXH64 with this seed, as it is.
  bool is_whole_xxhash64(uint64_t seed) const { return is_xxhash64() && seed_ == seed && form_ == Form::Whole; }

  // Folds what `code_of` made; `out` may be `codes`. With `valid`, 0 where that is 0.
  void fold(const int64_t* codes, int64_t count, int64_t* out, const uint8_t* valid) const {
    if (form_ != Form::Whole && !folds_unsigned()) return fold_(codes, count, out, valid);
    for (int64_t i = 0; i < count; ++i) out[i] = valid != nullptr && !valid[i] ? 0 : folded(codes[i]);
  }

  template <class T>
  Maybe<int64_t> operator()(const Maybe<T>& x) const {
    if (!x.has) return form_ == Form::FromOne ? Maybe<int64_t>(0) : Maybe<int64_t>();
    return folded(code_of(x.value));
  }

 private:
  enum class Form : uint8_t { Whole, FromOne, FromOffset };
  enum class Algorithm : uint8_t { None, Xxhash64, Farm64, Farm64Bytes, Murmur3 };

  static Algorithm algorithm_of(const Attributes& attributes) {
    if (!attributes.has("seed")) return Algorithm::None;
    const std::string_view name = attributes.text("algorithm");
    if (name == "xxhash64") return Algorithm::Xxhash64;
    if (name == "farm64") return Algorithm::Farm64;
    if (name == "farm64_bytes") return Algorithm::Farm64Bytes;
    if (name == "murmur3") return Algorithm::Murmur3;
    throw EngineError("hash has no algorithm `" + std::string(name.substr(0, 80)) + "`");
  }

  bool folds_unsigned() const { return algorithm_ == Algorithm::Farm64 || algorithm_ == Algorithm::Farm64Bytes; }

  int64_t folded(int64_t code) const {
    if (form_ == Form::Whole) return code;
    if (!folds_unsigned()) return fold_(code);
    const uint64_t bucket = static_cast<uint64_t>(code) % static_cast<uint64_t>(buckets_);
    return static_cast<int64_t>(static_cast<uint64_t>(first_) + bucket);
  }

  Algorithm algorithm_;
  uint64_t seed_;
  bool narrow_;
  Form form_;
  int64_t buckets_ = 1;
  int64_t first_ = 1;
  Fold fold_{1, 0};
};

inline uint64_t chained(uint64_t so_far, int64_t part) { return xxh64(static_cast<uint64_t>(part), so_far); }

// An entry of a VocabIndex; `number` is its position + 1, 0 where there is none.
template <class T>
struct VocabSlot;

template <>
struct VocabSlot<int64_t> {
  uint32_t number = 0;
  int64_t value = 0;

  VocabSlot() = default;
  VocabSlot(uint32_t position, int64_t entry, uint64_t) : number(position), value(entry) {}
  bool holds(int64_t other, uint64_t) const { return value == other; }
};

// Half a cache line, which holds a short text itself.
template <>
struct alignas(32) VocabSlot<std::string_view> {
  struct Far {
    const char* start;
    uint64_t hash;
  };
  uint32_t number = 0;
  uint32_t size = 0;
  union {
    InlineText text{};
    Far far;
  };

  VocabSlot() = default;
  VocabSlot(uint32_t position, std::string_view entry, uint64_t hash)
      : number(position), size(static_cast<uint32_t>(entry.size())) {
    if (size <= InlineText::kMost) {
      text = InlineText(entry.data(), size);
    } else {
      far = {entry.data(), hash};
    }
  }
  bool holds(std::string_view other, uint64_t hash) const {
    if (size != other.size()) return false;
    if (size <= InlineText::kMost) return text.differing(InlineText(other.data(), size)) == 0;
    return far.hash == hash && same_bytes(far.start, other.data(), size);
  }
};

// The entries of a vocabulary by hash: open addressing, at most half full. Texts, also those that are looked for, lie
// in an Arena.
template <class T>
class VocabIndex {
 public:
  template <class Entries>
  explicit VocabIndex(const Entries& entries)
      : size_(entries.size()),
        mask_(std::bit_ceil(entries.size() * 2 + 2) - 1),
        memory_((mask_ + 1) * sizeof(VocabSlot<T>)),
        slots_(reinterpret_cast<VocabSlot<T>*>(memory_.data())) {
    std::uninitialized_fill_n(slots_, mask_ + 1, VocabSlot<T>());
    uint32_t number = 0;
    for (const T& entry : entries) {
      ++number;
      const uint64_t hash = hashed(entry, kSeed);
      VocabSlot<T>& slot = slots_[find(hash, entry)];
      if (slot.number == 0) slot = VocabSlot<T>(number, entry, hash);
    }
  }

  size_t size() const { return size_; }

  // 0 for null, 1 for a value that is no entry, 2 and up for the entries.
  int64_t operator()(const Maybe<T>& x) const {
    return x.has ? int64_t{1} + number(x.value, hashed(x.value, kSeed)) : 0;
  }

  // The position of an entry, from 1 on; 0 for any other value. `hash` is the value's, with kSeed.
  int64_t number(const T& value, uint64_t hash) const { return slots_[find(hash, value)].number; }

  // `number` of each text of a Str column with these hashes.
  void numbers(const Column& texts, const uint64_t* hashes, int64_t* out) const;

 private:
  // The slot of a value, or the free one where it would be: two by two, as they lie in a line of the cache.
  size_t find(uint64_t hash, const T& value) const {
    for (size_t at = hash & mask_;; at = (at + 2) & mask_) {
      if (slots_[at].number == 0 || slots_[at].holds(value, hash)) return at;
      if (slots_[at ^ 1].number == 0 || slots_[at ^ 1].holds(value, hash)) return at ^ 1;
    }
  }

  size_t size_;
  size_t mask_;
  HugePages memory_;
  VocabSlot<T>* slots_;
};

template <>
inline void VocabIndex<std::string_view>::numbers(const Column& texts, const uint64_t* hashes, int64_t* out) const {
  // A large vocabulary lies far away: what a row reads of it is fetched some rows before.
  constexpr int64_t kAhead = 32;
  const auto* slots = slots_;
  const size_t mask = mask_;
  const int64_t rows = texts.length, first = std::min(kAhead, rows);
  for (int64_t i = 0; i < first; ++i) __builtin_prefetch(slots + (hashes[i] & mask));
  for (int64_t i = 0; i < rows; ++i) {
    if (i + kAhead < rows) __builtin_prefetch(slots + (hashes[i + kAhead] & mask));
    const std::string_view value = texts.text(i);
    const auto done = [&](const VocabSlot<std::string_view>& slot) {
      if (slot.number != 0 && !slot.holds(value, hashes[i])) return false;
      out[i] = slot.number;
      return true;
    };
    for (size_t at = hashes[i] & mask; !done(slots[at]) && !done(slots[at ^ 1]); at = (at + 2) & mask) {
    }
  }
}

// What a `lookup` gives: without options 0 for null, 1 for a value that is no entry, 2 and up for the entries.
template <class T>
class Lookup {
 public:
  template <class Entries>
  Lookup(const Attributes& attributes, const Entries& entries) : index_(entries) {
    if (attributes.has("ids")) {
      const auto ids = attributes.integers("ids");
      if (ids.size() != index_.size()) throw EngineError("a lookup has not as many ids as entries");
      ids_.assign(ids.begin(), ids.end());
    } else if (attributes.has("offset")) {
      first_ = attributes.integer("offset");
    } else {
      null_ = 0;
      other_ = 1;
    }
    if (attributes.has("default")) other_ = attributes.integer("default");
    if (!attributes.has("oov_buckets")) return;
    buckets_ = attributes.integer("oov_buckets");
    if (buckets_ < 1) throw EngineError("a lookup has too few buckets");
  }

  Maybe<int64_t> operator()(const Maybe<T>& x) const { return x.has ? id(x.value, hashed(x.value, kSeed)) : null_; }

  Maybe<int64_t> null_id() const { return null_; }
  const VocabIndex<T>& index() const { return index_; }
  // The id of a value and its hash.
  Maybe<int64_t> id(const T& value, uint64_t hash) const { return id_of_number(index_.number(value, hash), hash); }
  // Of a value by its number in the vocabulary, and its hash.
  Maybe<int64_t> id_of_number(int64_t number, uint64_t hash) const {
    if (number != 0) return ids_.empty() ? plus(first_, number - 1) : ids_[static_cast<size_t>(number - 1)];
    if (buckets_ == 0) return other_;
    return plus(plus(first_, static_cast<int64_t>(index_.size())), floormod(static_cast<int64_t>(hash), buckets_));
  }

 private:
  static int64_t plus(int64_t a, int64_t b) {
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }

  VocabIndex<T> index_;
  std::vector<int64_t> ids_;  // empty: they ascend from `first_`
  int64_t first_ = 2;
  int64_t buckets_ = 0;
  Maybe<int64_t> null_, other_;
};

// An integer that is an id already.
class Index {
 public:
  explicit Index(const Attributes& attributes)
      : size_(static_cast<uint64_t>(attributes.integer("size"))), plain_(attributes.has("offset")) {
    if (plain_) first_ = static_cast<uint64_t>(attributes.integer("offset"));
  }
  Maybe<int64_t> operator()(const Maybe<int64_t>& x) const {
    const auto place = static_cast<uint64_t>(x.value);
    Maybe<int64_t> id;
    id.has = !plain_ || (x.has && place < size_);
    id.value = static_cast<int64_t>(!x.has ? 0 : place < size_ ? first_ + place : 1);
    return id;
  }

 private:
  uint64_t size_;
  bool plain_;
  uint64_t first_ = 2;
};

// The sizes of the parts of a `combine`.
class Sizes {
 public:
  explicit Sizes(const Attributes& attributes) {
    for (const std::string_view name : {"a_size", "b_size", "c_size", "d_size", "e_size", "f_size"}) {
      if (!attributes.has(name)) break;
      sizes_.push_back(static_cast<uint64_t>(attributes.integer(name)));
    }
  }
  Maybe<int64_t> operator()(const Variadic<int64_t>& parts) const {
    if (parts.size() != sizes_.size()) throw EngineError("a combine has not as many sizes as parts");
    uint64_t code = 0;
    for (size_t k = 0; k < sizes_.size(); ++k) {
      const auto part = static_cast<uint64_t>(parts[k]);
      if (part >= sizes_[k]) return {};
      code = code * sizes_[k] + part;
    }
    return static_cast<int64_t>(code);
  }

 private:
  std::vector<uint64_t> sizes_;
};

}  // namespace feat::id

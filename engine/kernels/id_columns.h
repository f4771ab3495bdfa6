// The kernels of featdsl/operators/id.py that do many rows at once: hashes, crosses, lookups of texts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/hash_many.h"
#include "engine/kernel.h"
#include "engine/kernels/id.h"

namespace feat::id {

inline uint64_t* codes_of(int64_t* values) { return reinterpret_cast<uint64_t*>(values); }
inline const uint64_t* codes_of(const Column& column) { return column.as<uint64_t>(); }

inline Column integers(const int64_t* values, int64_t length, const uint8_t* valid = nullptr) {
  Column column;
  column.layout = Layout::I64;
  column.length = length;
  column.valid = valid;
  column.data = values;
  return column;
}

// `codes`, whose null rows may hold anything, as `hash` gives them; `out` may be `codes`.
inline Column folded(const Hash& hash, const int64_t* made, int64_t rows, const uint8_t* valid, int64_t* codes) {
  const bool null_is_zero = hash.null_is_zero();
  hash.fold(made, rows, codes, null_is_zero ? valid : nullptr);
  return integers(codes, rows, null_is_zero ? nullptr : valid);
}

// Column kernels: state Hash, one dense argument.
inline Column hash_texts(const Call& call) {
  const auto& hash = *static_cast<const Hash*>(call.state);
  const Column& texts = *call.arguments[0].column;
  if (hash.is_whole_xxhash64(TextCodes::kSeed)) {
    return integers(reinterpret_cast<const int64_t*>(call.codes.of(texts)), call.rows, texts.valid);
  }
  auto* codes = call.arena.take<int64_t>(call.rows);
  const int64_t* made = codes;
  if (hash.is_xxhash64() && hash.seed() == TextCodes::kSeed) {
    made = reinterpret_cast<const int64_t*>(call.codes.of(texts));
  } else if (hash.is_xxhash64()) {
    xxh64_texts(texts.bytes(), texts.offsets, call.rows, hash.seed(), codes_of(codes));
  } else {
    for (int64_t i = 0; i < call.rows; ++i) codes[i] = hash.code_of(texts.text(i));
  }
  return folded(hash, made, call.rows, texts.valid, codes);
}

inline Column hash_integers(const Call& call) {
  const auto& hash = *static_cast<const Hash*>(call.state);
  const Column& values = *call.arguments[0].column;
  auto* codes = call.arena.take<int64_t>(call.rows);
  if (hash.is_xxhash64()) {
    xxh64_words(codes_of(values), call.rows, hash.seed(), codes_of(codes));
  } else if (hash.takes_ids()) {
    return folded(hash, values.as<int64_t>(), call.rows, values.valid, codes);
  } else {
    for (int64_t i = 0; i < call.rows; ++i) codes[i] = hash.code_of(values.as<int64_t>()[i]);
  }
  return folded(hash, codes, call.rows, values.valid, codes);
}

// `cross` of scalars: null where a part is null.
inline Column cross_scalars(const Call& call) {
  auto* chains = call.arena.take<int64_t>(call.rows);
  uint64_t one = kSeed;  // of the parts so far, as long as they are the same in all rows
  bool is_one = true;
  for (const Argument& part : call.arguments) {
    const uint64_t* words = codes_of(*part.column);
    const bool same = part.is_same();
    if (same && is_one) {
      one = xxh64(words[0], one);
      continue;
    }
    if (is_one && part.is_dense()) {
      xxh64_words(words, call.rows, one, codes_of(chains));
    } else {
      if (is_one) std::fill_n(chains, call.rows, static_cast<int64_t>(one));
      if (same) {
        xxh64_word(words[0], codes_of(chains), call.rows, codes_of(chains));
      } else if (part.is_dense()) {
        xxh64_words(words, codes_of(chains), call.rows, codes_of(chains));
      } else {
        for (int64_t i = 0; i < call.rows; ++i)
          chains[i] = chained(static_cast<uint64_t>(chains[i]), static_cast<int64_t>(words[part.row(i)]));
      }
    }
    is_one = false;
  }
  if (is_one) std::fill_n(chains, call.rows, static_cast<int64_t>(one));
  return integers(chains, call.rows, call.validity());
}

inline constexpr int64_t kMostCombinations = int64_t{1} << 30;

// Where the elements of each row's list lie; a null list has none.
inline ListRows list_rows(const Argument& part, int64_t rows, Arena& arena) {
  auto* starts = arena.take<int32_t>(rows);
  auto* sizes = arena.take<int32_t>(rows);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = part.row(i);
    const int64_t start = part.column->start(row);
    starts[i] = static_cast<int32_t>(start);
    sizes[i] = part.is_valid(i) ? static_cast<int32_t>(part.column->start(row + 1) - start) : 0;
  }
  return {codes_of(*part.column->child), starts, sizes};
}

inline int32_t checked_combinations(int64_t combinations) {
  if (combinations <= kMostCombinations) return static_cast<int32_t>(combinations);
  throw EngineError("a cross has more combinations than " + std::to_string(kMostCombinations));
}

inline Column list_of(const uint64_t* codes, const int32_t* offsets, const Call& call) {
  auto* child = call.arena.take<Column>(1);
  *child = integers(reinterpret_cast<const int64_t*>(codes), offsets[call.rows]);
  Column list;
  list.layout = Layout::List;
  list.length = call.rows;
  list.offsets = offsets;
  list.child = child;
  return list;
}

// Whether a list that is the same in all rows, such as a user's, stands beside another.
inline bool is_beside_same_list(const Call& call) {
  return call.arguments.size() == 2 && call.arguments[0].is_same() && call.arguments[1].is_dense() &&
         call.arguments[1].column->layout == Layout::List;
}

// The hashes of its elements.
struct SameList {
  explicit SameList(const Call& call) {
    const ListRows list = list_rows(call.arguments[0], 1, call.arena);
    count = list.sizes[0];
    seeds = call.arena.take<uint64_t>(count);
    xxh64_words(list.values + list.starts[0], count, kSeed, seeds);
  }
  int32_t count;
  uint64_t* seeds;
};

inline Column cross_same_list(const Call& call) {
  const auto [count, seeds] = SameList(call);
  const Column& lists = *call.arguments[1].column;
  if (count == 1) {
    auto* codes = call.arena.take<uint64_t>(lists.child->length);
    xxh64_words(codes_of(*lists.child), lists.child->length, seeds[0], codes);
    return list_of(codes, lists.offsets, call);
  }
  auto* offsets = call.arena.take<int32_t>(call.rows + 1);
  offsets[0] = 0;
  for (int64_t i = 0; i < call.rows; ++i) {
    const int64_t size = lists.offsets[i + 1] - lists.offsets[i];
    offsets[i + 1] = checked_offset(offsets[i] + int64_t{checked_combinations(count * size)});
  }
  auto* table = call.arena.take<uint64_t>(int64_t{count} * kTableColumns);
  auto* codes = call.arena.take<uint64_t>(offsets[call.rows]);
  if (count > 0) xxh64_same_seeds(seeds, count, codes_of(*lists.child), lists.offsets, call.rows, table, codes);
  return list_of(codes, offsets, call);
}

// `cross` of lists: the Cartesian product, the first part slowest; null is an empty list.
inline Column cross_lists(const Call& call) {
  if (is_beside_same_list(call)) return cross_same_list(call);
  std::vector<ListRows> parts;
  for (const Argument& part : call.arguments) parts.push_back(list_rows(part, call.rows, call.arena));
  // A row with an empty part has nothing to do in any.
  auto* offsets = call.arena.take<int32_t>(call.rows + 1);
  offsets[0] = 0;
  for (int64_t i = 0; i < call.rows; ++i) {
    int64_t combinations = 1;
    for (const ListRows& part : parts) {
      combinations = checked_combinations(combinations * part.sizes[i]);
    }
    offsets[i + 1] = checked_offset(offsets[i] + combinations);
  }
  // The chains of the parts so far, made longer part by part. Those of the first part are made once an element.
  const Column& elements = *call.arguments[0].column->child;
  auto* first = call.arena.take<uint64_t>(elements.length);
  xxh64_words(codes_of(elements), elements.length, kSeed, first);
  ListRows chains{first, parts[0].starts, parts[0].sizes};
  for (size_t k = 1; k < parts.size(); ++k) {
    auto* starts = call.arena.take<int32_t>(call.rows);
    auto* sizes = call.arena.take<int32_t>(call.rows);
    int32_t end = 0;
    for (int64_t i = 0; i < call.rows; ++i) {
      starts[i] = end;
      sizes[i] = offsets[i + 1] == offsets[i] ? 0 : chains.sizes[i] * parts[k].sizes[i];
      end += sizes[i];
    }
    auto* longer = call.arena.take<uint64_t>(end);
    xxh64_products(chains, parts[k], sizes, call.rows, longer);
    chains = {longer, starts, sizes};
  }
  if (parts.size() > 1) return list_of(chains.values, offsets, call);
  auto* codes = call.arena.take<uint64_t>(offsets[call.rows]);
  for (int64_t i = 0; i < call.rows; ++i) {
    std::copy_n(chains.values + chains.starts[i], chains.sizes[i], codes + offsets[i]);
  }
  return list_of(codes, offsets, call);
}

// State Lookup<std::string_view>, one dense argument.
inline Column lookup_texts(const Call& call) {
  const auto& lookup = *static_cast<const Lookup<std::string_view>*>(call.state);
  const Column& texts = *call.arguments[0].column;
  const uint64_t* hashes = call.codes.of(texts);
  auto* ids = call.arena.take<int64_t>(call.rows);
  auto* valid = call.arena.take<uint8_t>(call.rows);
  lookup.index().numbers(texts, hashes, ids);
  for (int64_t i = 0; i < call.rows; ++i) {
    const Maybe<int64_t> id = texts.is_valid(i) ? lookup.id_of_number(ids[i], hashes[i]) : lookup.null_id();
    ids[i] = id.value;
    valid[i] = static_cast<uint8_t>(id.has);
  }
  return integers(ids, call.rows, valid);
}

}  // namespace feat::id

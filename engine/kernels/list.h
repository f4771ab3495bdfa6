// Bodies of featdsl/operators/list.py.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include "engine/kernel.h"
#include "engine/kernels/value_set.h"
#include "engine/rows_many.h"

namespace feat::list {

// Element `pick(i, size)` of the list in row i; null where that is negative. Elements of any type.
template <class Pick>
Column elements(const Call& call, Pick pick) {
  const Argument& lists = call.arguments[0];
  const Column& column = *lists.column;
  auto* rows = call.arena.take<int32_t>(call.rows);
  for (int64_t i = 0; i < call.rows; ++i) {
    const int64_t row = lists.row(i);
    const int64_t start = column.start(row);
    const int64_t at = lists.is_valid(i) ? pick(i, column.start(row + 1) - start) : -1;
    rows[i] = at < 0 ? -1 : static_cast<int32_t>(start + at);
  }
  return gather(*column.child, rows, call.rows, call.arena);
}

// The lists as they are.
inline Column each(const Call& call) {
  const Argument& lists = call.arguments[0];
  auto* rows = call.arena.take<int32_t>(call.rows);
  for (int64_t i = 0; i < call.rows; ++i) rows[i] = static_cast<int32_t>(lists.row(i));
  return gather(*lists.column, rows, call.rows, call.arena);
}

inline Column first(const Call& call) {
  return elements(call, [](int64_t, int64_t size) -> int64_t { return size > 0 ? 0 : -1; });
}

inline Column last(const Call& call) {
  return elements(call, [](int64_t, int64_t size) { return size - 1; });
}

// From 0, or from the end where negative.
inline Column at(const Call& call) {
  const Argument& positions = call.arguments[1];
  return elements(call, [&positions](int64_t i, int64_t size) -> int64_t {
    if (!positions.is_valid(i)) return -1;
    const int64_t position = positions.column->as<int64_t>()[positions.row(i)];
    const int64_t from_start = position < 0 ? position + size : position;
    return from_start < size ? from_start : -1;
  });
}

// The first `n` elements of each list, of any type.
inline Column take(const Call& call, int64_t n) {
  const Argument& lists = call.arguments[0];
  const Column& column = *lists.column;
  Growing<int32_t> rows(call.arena, call.rows);
  auto* offsets = call.arena.take<int32_t>(call.rows + 1);
  auto* valid = column.valid == nullptr ? nullptr : call.arena.take<uint8_t>(call.rows);
  offsets[0] = 0;
  for (int64_t i = 0; i < call.rows; ++i) {
    const int64_t row = lists.row(i);
    const int64_t start = column.start(row);
    const int64_t size = lists.is_valid(i) ? std::min(n, column.start(row + 1) - start) : 0;
    if (valid != nullptr) valid[i] = lists.is_valid(i);
    if (rows.size() + size > std::numeric_limits<int32_t>::max()) throw EngineError("the lists of take are too long");
    for (int64_t k = 0; k < size; ++k) rows.push(static_cast<int32_t>(start + k));
    offsets[i + 1] = static_cast<int32_t>(rows.size());
  }
  auto* child = call.arena.take<Column>(1);
  *child = gather(*column.child, rows.data(), rows.size(), call.arena);
  Column taken;
  taken.layout = Layout::List;
  taken.length = call.rows;
  taken.valid = valid;
  taken.offsets = offsets;
  taken.child = child;
  return taken;
}

template <class T>
struct Pad {
  int64_t n;
  T fill;

  void operator()(const ListIn<T>& values, ListOut<T>& out) const {
    const int64_t kept = std::min(n, values.size());
    out.push_all(values.slice(0, kept));
    for (int64_t i = kept; i < n; ++i) out.push(fill);
  }
};

inline Column padded_rows(const Column& elements, const uint8_t* valid, int64_t n, const Call& call) {
  auto* child = call.arena.take<Column>(1);
  *child = elements;
  Column padded;
  padded.layout = Layout::Vector;
  padded.width = static_cast<int32_t>(n);
  padded.length = call.rows;
  padded.valid = valid;
  padded.child = child;
  return padded;
}

// The same for fixed-width values, as a Vector.
template <class T>
Column pad(const Call& call) {
  using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
  using Bits = std::conditional_t<std::is_same_v<T, bool>, uint8_t, uint64_t>;
  const auto& wanted = *static_cast<const Pad<T>*>(call.state);
  const Argument& lists = call.arguments[0];
  const Bits* from = lists.column->child->as<Bits>();
  const int64_t n = wanted.n;
  const auto fill = std::bit_cast<Bits>(static_cast<Stored>(wanted.fill));
  Column elements = *lists.column->child;
  elements.length = checked_offset(call.rows * n);
  elements.valid = nullptr;
  Bits* __restrict__ out = call.arena.take<Bits>(elements.length);
  elements.data = out;
  uint8_t* valid = lists.column->valid == nullptr ? nullptr : call.arena.take<uint8_t>(call.rows);
  if constexpr (sizeof(Bits) == sizeof(uint64_t)) {
    if (lists.is_dense() && lists.column->has_offsets() && (valid == nullptr || fill == 0)) {
      pad_rows(from, lists.column->offsets, call.rows, n, fill, out);
      if (valid != nullptr) std::copy_n(lists.column->valid, call.rows, valid);
      return padded_rows(elements, valid, n, call);
    }
  }
  // Short rows are read whole, past their end, and masked: that has no branch to guess wrong.
  const bool is_short = n * static_cast<int64_t>(sizeof(Bits)) <= static_cast<int64_t>(Arena::kSlack);
  Bits* masks = is_short ? call.arena.take<Bits>(2 * n) : nullptr;
  if (is_short) std::fill_n(std::fill_n(masks, n, static_cast<Bits>(~Bits{0})), n, Bits{0});
  for (int64_t i = 0; i < call.rows; ++i, out += n) {
    const int64_t row = lists.row(i), start = lists.column->start(row);
    const bool has = lists.is_valid(i);
    const int64_t kept = has ? std::min(n, lists.column->start(row + 1) - start) : 0;
    const Bits rest = has ? fill : Bits{0};
    if (valid != nullptr) valid[i] = has;
    const Bits* read = from + start;
    if (is_short) {
      const Bits* mask = masks + n - kept;
      for (int64_t k = 0; k < n; ++k) out[k] = static_cast<Bits>((read[k] & mask[k]) | (rest & ~mask[k]));
    } else {
      std::fill(std::copy_n(read, kept, out), out + n, rest);
    }
  }
  return padded_rows(elements, valid, n, call);
}

template <class T>
void distinct(const ListIn<T>& values, ListOut<T>& out) {
  thread_local ValueSet<T> seen;
  seen.clear(values.size());
  for (const T value : values) {
    if (seen.insert(value).fresh) out.push(value);
  }
}

inline int64_t sum(const ListIn<int64_t>& values) {
  uint64_t total = 0;
  for (const int64_t value : values) total += static_cast<uint64_t>(value);
  return static_cast<int64_t>(total);
}

inline double sum(const ListIn<double>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

template <class T>
Maybe<double> mean(const ListIn<T>& values) {
  if (values.empty()) return {};
  double total = 0;
  for (const T value : values) total += static_cast<double>(value);
  return total / static_cast<double>(values.size());
}

inline int64_t count(const ListIn<bool>& values) {
  int64_t total = 0;
  for (const bool value : values) total += value;
  return total;
}

}  // namespace feat::list

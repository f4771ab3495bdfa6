#include "engine/maps_of_row.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <string_view>

#include "engine/distinct_texts.h"
#include "engine/unicode.h"
#include "engine/utf8.h"

namespace feat {

namespace {

constexpr size_t kWidest = sizeof(int64_t);

}  // namespace

// An entry takes at least two bytes of the row.
MapsOfRow::MapsOfRow(int64_t row_bytes, int64_t maps, Arena& arena)
    : value_(arena.take<std::byte>((row_bytes / 2 + 1 + maps) * static_cast<int64_t>(kWidest))),
      child_(arena.take<Column>(maps * 2 * kDeepest)) {
  const int64_t entries = row_bytes / 2 + 1;
  for (Level& level : levels_) {
    level.first = level.key = arena.take<uint8_t>(row_bytes + RowColumn::kCopied);
    level.key_end = arena.take<int32_t>(entries + maps);
    level.map_end = arena.take<int32_t>(entries + maps * 2);
  }
}

bool MapsOfRow::read(RowCursor& row, int32_t depth, Layout values, int64_t cap, Column& column) {
  begin(depth);
  if (!entries(row, levels_.data(), depth - 1, values)) return false;
  const int32_t count = levels_[0].count;
  const auto kept = static_cast<int32_t>(cap < 0 ? count : std::min<int64_t>(count, cap));
  *(levels_[0].map_end - 1) = kept;
  column = made(levels_.data(), depth - 1, values, 1, kept);
  return true;
}

Column MapsOfRow::none(int32_t depth, Layout values) {
  begin(depth);
  *levels_[0].map_end++ = 0;
  return made(levels_.data(), depth - 1, values, 1, 0);
}

bool MapsOfRow::texts_are_valid() const {
  return !begins_inside_ && std::ranges::all_of(levels_, [](const Level& level) {
    const std::string_view all(reinterpret_cast<const char*>(level.first),
                               static_cast<size_t>(level.key - level.first));
    return valid_utf8(all.substr(unicode::ascii_prefix(all)));
  });
}

void MapsOfRow::begin(int32_t depth) {
  const auto place = reinterpret_cast<uintptr_t>(value_);
  value_ += (kWidest - place % kWidest) % kWidest;
  values_ = value_;
  for (Level& level : std::span(levels_).first(static_cast<size_t>(depth))) {
    level.keys = level.key;
    level.key_ends = level.key_end;
    level.map_ends = level.map_end;
    *level.key_end++ = 0;
    *level.map_end++ = 0;
    level.count = 0;
  }
}

// The entries of one map; `below`: how many maps lie in it, one in the other.
bool MapsOfRow::entries(RowCursor& row, Level* level, int32_t below, Layout values) {
  const int32_t* ends = level->key_end - 1;
  const int32_t start = level->count;
  for (;;) {
    int64_t count;
    if (!row.count(count)) return false;
    if (count == 0) break;
    for (; count > 0; --count) {
      TextInRow key;
      if (!row.text(key)) return false;
      for (int64_t at = 0; at < key.size; at += RowColumn::kCopied) {
        std::memcpy(level->key + at, key.at + at, RowColumn::kCopied);
      }
      begins_inside_ |= key.size > 0 && (*key.at & 0xC0) == 0x80;
      level->key += key.size;
      *level->key_end++ = static_cast<int32_t>(level->key - level->keys);
      ++level->count;
      if (!(below > 0 ? entries(row, level + 1, below - 1, values) : value(row, values))) return false;
      if (row.passed_end()) return false;
    }
  }
  *level->map_end++ = level->count;
  return all_differ(level->count - start, [&](int64_t i) {
    return std::string_view(reinterpret_cast<const char*>(level->keys) + ends[i],
                            static_cast<size_t>(ends[i + 1] - ends[i]));
  });
}

template <class T>
bool MapsOfRow::put(T value) {
  std::memcpy(value_, &value, sizeof value);
  value_ += sizeof value;
  return true;
}

// A float that is not finite is null, and with it the entry: the sinks know.
bool MapsOfRow::value(RowCursor& row, Layout layout) {
  switch (layout) {
    case Layout::Bool: {
      uint8_t boolean;
      return row.boolean(boolean) && put(boolean);
    }
    case Layout::I32: {
      int64_t number;
      return row.integer(number) && number == static_cast<int32_t>(number) && put(static_cast<int32_t>(number));
    }
    case Layout::I64: {
      int64_t number;
      return row.integer(number) && put(number);
    }
    case Layout::F32: {
      const auto number = row.fixed<float>();
      return std::isfinite(number) && put(number);
    }
    case Layout::F64: {
      const auto number = row.fixed<double>();
      return std::isfinite(number) && put(number);
    }
    default:
      return false;
  }
}

// The column of so many maps with so many entries in all.
Column MapsOfRow::made(const Level* level, int32_t below, Layout values, int32_t maps, int32_t entries) {
  Column* children = child_;
  child_ += 2;
  Column& keys = *children;
  keys = {};
  keys.layout = Layout::Str;
  keys.length = entries;
  keys.data = level->keys;
  keys.offsets = level->key_ends;
  Column& held = children[1];
  held = {};
  if (below > 0) {
    held = made(level + 1, below - 1, values, entries, level[1].map_ends[entries]);
  } else {
    held.layout = values;
    held.length = entries;
    held.data = values_;
  }
  Column column;
  column.layout = Layout::Map;
  column.length = maps;
  column.offsets = level->map_ends;
  column.child = children;
  return column;
}

}  // namespace feat

// The kernels of featdsl/operators/string.py that do many rows at once: what is ASCII in all of them, then the rest.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/kernel.h"
#include "engine/unicode.h"
#include "engine/word_bits.h"

namespace feat::string {

// The ASCII letters from `first` on, 26 of them, change case; every other byte stays.
inline void swap_letters(std::string_view from, char first, char* __restrict__ to) {
  for (size_t i = 0; i < from.size(); ++i) {
    const bool letter = static_cast<uint8_t>(from[i] - first) < 26;
    to[i] = static_cast<char>(from[i] ^ (letter ? 0x20 : 0));
  }
}

// One dense argument. `append(text, start, out)` maps a text from a byte on; before it there is ASCII only.
template <class Append>
Column with_case(const Call& call, char first, const Append& append) {
  const Column& texts = *call.arguments[0].column;
  const std::string_view all(texts.bytes(), static_cast<size_t>(texts.offsets[call.rows]));
  char* swapped = call.arena.take<char>(texts.offsets[call.rows]);
  swap_letters(all, first, swapped);
  Column mapped = texts;
  mapped.data = swapped;
  size_t other = unicode::ascii_prefix(all);
  if (other == all.size()) return mapped;

  auto* offsets = call.arena.take<int32_t>(call.rows + 1);
  TextOut out(call.arena);
  const auto size = [&out] { return static_cast<int64_t>(out.written().size()); };
  offsets[0] = 0;
  const int32_t* last = texts.offsets + call.rows;
  for (int64_t row = 0; row < call.rows; ++row) {
    // The rows up to that of the next byte that is not ASCII.
    const int64_t stop =
        other == all.size()
            ? call.rows
            : std::upper_bound(texts.offsets + row, last, static_cast<int32_t>(other)) - texts.offsets - 1;
    const int64_t moved = size() - texts.offsets[row];
    out.append({swapped + texts.offsets[row], static_cast<size_t>(texts.offsets[stop] - texts.offsets[row])});
    for (; row < stop; ++row) offsets[row + 1] = checked_offset(texts.offsets[row + 1] + moved);
    if (row == call.rows) break;
    const std::string_view text = texts.text(row);
    const size_t start = other - static_cast<size_t>(texts.offsets[row]);
    out.append({swapped + texts.offsets[row], start});
    append(text, start, out);
    offsets[row + 1] = checked_offset(size());
    const auto end = static_cast<size_t>(texts.offsets[row + 1]);
    other = end + unicode::ascii_prefix(all.substr(end));
  }
  mapped.offsets = offsets;
  mapped.data = out.written().data();
  return mapped;
}

// Sets the bits of the code points outside ASCII that belong to words.
inline void add_word_bits(std::string_view text, uint64_t* bits) {
  const char* end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    at += unicode::ascii_prefix({at, static_cast<size_t>(end - at)});
    if (at == end) return;
    auto bit = static_cast<uint64_t>(at - text.data());
    if ((unicode::properties(unicode::next(at)).flags & unicode::kWord) == 0) continue;
    for (; bit != static_cast<uint64_t>(at - text.data()); ++bit) bits[bit / 64] |= uint64_t{1} << (bit % 64);
  }
}

// One dense argument.
inline Column words(const Call& call) {
  const Column& texts = *call.arguments[0].column;
  const int64_t size = texts.offsets[call.rows];
  auto* bits = call.arena.take<uint64_t>(size / 64 + 1);
  ascii_word_bits(texts.bytes(), size, bits);
  add_word_bits({texts.bytes(), static_cast<size_t>(size)}, bits);
  const int64_t most = (size + call.rows) / 2 + 8;
  const WordPlaces places{call.arena.take<int32_t>(most), call.arena.take<int32_t>(most),
                          call.arena.take<int32_t>(call.rows + 1)};
  const int64_t count = word_places(bits, call.arena.take<uint64_t>(size / 64 + 1), texts.offsets, call.rows, places);

  auto* offsets = call.arena.take<int32_t>(count + 1);
  char* bytes = call.arena.take<char>(size);
  int32_t done = 0;
  offsets[0] = 0;
  for (int64_t i = 0; i < count; ++i) {
    constexpr int32_t kShort = 16;  // copied whole, whatever the size: that has no branch to guess wrong
    const char* word = texts.bytes() + places.starts[i];
    const int32_t length = places.stops[i] - places.starts[i];
    std::memcpy(bytes + done, word, kShort);
    if (length > kShort) std::memcpy(bytes + done, word, static_cast<size_t>(length));
    offsets[i + 1] = done += length;
  }
  Column found;
  found.layout = Layout::Str;
  found.length = count;
  found.offsets = offsets;
  found.data = bytes;
  auto* child = call.arena.take<Column>(1);
  *child = found;
  Column lists;
  lists.layout = Layout::List;
  lists.length = call.rows;
  lists.valid = texts.valid;
  lists.offsets = places.ends;
  lists.child = child;
  return lists;
}

}  // namespace feat::string

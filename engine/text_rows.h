// The rows of a column of texts, to be found by a text.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "engine/arena.h"
#include "engine/column.h"
#include "engine/same_text.h"
#include "engine/xxh64.h"

namespace feat {

// A hash of a text for tables in memory alone. Up to 16 bytes behind it are read: an Arena has them.
inline uint64_t table_code(std::string_view text) {
  using namespace same_text_detail;
  const size_t size = text.size();
  if (size > 16) return xxh64(text, 0);
  const uint64_t first = xxh64_detail::load<uint64_t>(text.data()) & kInside[size][0];
  const uint64_t second = xxh64_detail::load<uint64_t>(text.data() + 8) & kInside[size][1];
  const auto product = static_cast<unsigned __int128>(first ^ xxh64_detail::kPrime1) *
                       (second ^ (xxh64_detail::kPrime2 + static_cast<uint64_t>(size)));
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Null rows are found as empty texts.
class TextRows {
 public:
  static constexpr int32_t kNone = -1;

  // A view: it lies in `arena` and reads the column as long as it is asked.
  TextRows(const Column& texts, Arena& arena)
      : texts_(texts),
        mask_(std::bit_ceil(static_cast<uint64_t>(texts.length) * 2 + 2) - 1),
        slots_(arena.take<Slot>(static_cast<int64_t>(mask_ + 1))),
        next_(arena.take<int32_t>(texts.length)),
        group_(arena.take<int32_t>(texts.length)) {
    for (uint64_t at = 0; at <= mask_; ++at) slots_[at] = {};
    for (int64_t row = 0; row < texts.length; ++row) {
      const std::string_view text = texts.text(row);
      const uint64_t code = table_code(text);
      const uint64_t at = place(text, code);
      Slot& slot = slots_[at];
      next_[row] = slot.first;
      group_[row] = static_cast<int32_t>(at);
      slot = {static_cast<uint32_t>(code >> 32), static_cast<int32_t>(row), slot.count + 1};
    }
  }

  bool is_of(const Column& texts) const {
    return texts.length == texts_.length && texts.data == texts_.data && texts.offsets == texts_.offsets;
  }
  // One of the rows with this text, kNone if there is none. Up to 16 bytes behind it are read.
  int32_t first(std::string_view text) const { return slots_[place(text, table_code(text))].first; }
  // Another one, kNone after the last.
  int32_t next(int32_t row) const { return next_[row]; }
  // The same number for rows of one text.
  int32_t group(int64_t row) const { return group_[row]; }
  // How many rows have the text of this one.
  int32_t count(int64_t row) const { return slots_[group_[row]].count; }

 private:
  struct Slot {
    uint32_t tag = 0;
    int32_t first = kNone;
    int32_t count = 0;
  };

  uint64_t place(std::string_view text, uint64_t code) const {
    const auto tag = static_cast<uint32_t>(code >> 32);
    for (uint64_t at = code & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.first == kNone) return at;
      if (slot.tag != tag) continue;
      const std::string_view held = texts_.text(slot.first);
      if (held.size() == text.size() && same_bytes(held.data(), text.data(), text.size())) return at;
    }
  }

  const Column texts_;
  const uint64_t mask_;
  Slot* slots_;
  int32_t* next_;
  int32_t* group_;
};

}  // namespace feat

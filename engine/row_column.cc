#include "engine/row_column.h"

#include <utility>

#include "engine/unicode.h"
#include "engine/utf8.h"

namespace feat {

// Texts are valid one by one if they are together, and none begins in the middle of a character.
bool RowColumn::new_texts_are_valid() {
  if (layout_ != Layout::Str) return true;
  const int64_t first = std::exchange(looked_at_, length_), start = offsets_[first];
  const std::string_view all(reinterpret_cast<const char*>(bytes_.data() + start),
                             static_cast<size_t>(bytes_.size() - start));
  const size_t ascii = unicode::ascii_prefix(all);
  if (ascii == all.size()) return true;
  if (!valid_utf8(all.substr(ascii))) return false;
  bool inside = false;
  for (int64_t i = first; i < length_; ++i) {
    // An empty text at the end begins nowhere.
    inside |= offsets_[i] < bytes_.size() && (bytes_[offsets_[i]] & 0xC0) == 0x80;
  }
  return !inside;
}

Column RowColumn::finish() {
  Column column;
  column.layout = layout_;
  column.length = length_;
  if (any_null_ && std::memchr(valid_.data(), 0, static_cast<size_t>(length_)) != nullptr) column.valid = valid_.data();
  if (layout_ == Layout::Str) column.offsets = offsets_.data();
  column.data = bytes_.size() ? bytes_.data() : bytes_.grow(1);
  return column;
}

}  // namespace feat

// Where one body is being read, value by value: what `engine/row_steps.h` reads of most values of most rows, so a
// failure is a bool and not an exception. At the beginning of every value it is not behind the end, so that
// RowSteps::kSlack bytes may be read.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/row_column.h"

namespace feat {

class RowCursor {
 public:
  explicit RowCursor(std::string_view body)
      : at_(reinterpret_cast<const uint8_t*>(body.data())), end_(at_ + body.size()) {}

  const uint8_t* at() const { return at_; }
  void go_to(const uint8_t* at) { at_ = at; }
  bool at_end() const { return at_ == end_; }
  bool passed_end() const { return at_ > end_; }

  // The byte that says which of two branches follows. False: it is neither.
  bool branch(uint8_t if_given, uint8_t if_null, bool& given) {
    const uint8_t which = *at_++;
    given = which == if_given;
    return given || which == if_null;
  }

  template <class T>
  T fixed() {
    T value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  bool boolean(uint8_t& value) {
    value = *at_++;
    return value <= 1;
  }

  // A varint of up to 8 bytes at once, a longer one byte by byte.
  [[gnu::always_inline]] bool integer(int64_t& number) {
    uint64_t word;
    std::memcpy(&word, at_, sizeof word);
    const uint64_t ends = ~word & 0x8080808080808080;
    if (ends == 0) return long_integer(number);
    const int bits = std::countr_zero(ends) + 1;
    word &= ~uint64_t{0} >> (64 - bits);
    word = (word & 0x007f007f007f007f) | (word & 0x7f007f007f007f00) >> 1;
    word = (word & 0x00003fff00003fff) | (word & 0x3fff00003fff0000) >> 2;
    word = (word & 0x000000000fffffff) | (word & 0x0fffffff00000000) >> 4;
    at_ += bits / 8;
    number = static_cast<int64_t>(word >> 1 ^ (~(word & 1) + 1));
    return true;
  }

  // How many items a block of a list has. False: it is no such number, or more than there are bytes.
  bool count(int64_t& number) {
    if ((*at_ & 0x81) == 0) [[likely]] {
      number = *at_++ >> 1;
    } else if (!integer(number) || number < 0) {
      return false;
    }
    return number <= end_ - at_;
  }

  bool text(TextInRow& text) {
    int64_t size;
    if ((*at_ & 0x81) == 0) [[likely]] {
      size = *at_++ >> 1;
    } else if (!integer(size) || size < 0) {
      return false;
    }
    text = {at_, size};
    return skip(size);
  }

  bool skip(int64_t bytes) {
    if (bytes > end_ - at_) return false;
    at_ += bytes;
    return true;
  }

 private:
  bool long_integer(int64_t& number) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint64_t byte = *at_++;
      if (shift == 63 && byte > 1) return false;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        number = static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
        return true;
      }
    }
    return false;
  }

  const uint8_t* at_;
  const uint8_t* end_;
};

}  // namespace feat

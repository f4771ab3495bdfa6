// Equality of short texts, by words and without a call.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace feat {

namespace same_text_detail {

template <class Word>
Word differing(const char* a, const char* b) {
  Word one, other;
  std::memcpy(&one, a, sizeof one);
  std::memcpy(&other, b, sizeof other);
  return one ^ other;
}
template <class Word>
bool differs(const char* a, const char* b) {
  return differing<Word>(a, b) != 0;
}

// Which bytes of some words belong to a text of each size that they can hold.
template <size_t words>
constexpr auto inside_words() {
  std::array<std::array<uint64_t, words>, 8 * words + 1> inside{};
  for (size_t size = 0; size < inside.size(); ++size) {
    for (size_t i = 0; i < size; ++i) inside[size][i / 8] |= uint64_t{0xFF} << (i % 8 * 8);
  }
  return inside;
}
inline constexpr auto kInside = inside_words<2>();

}  // namespace same_text_detail

// Reads no byte past an end.
inline bool same_text(std::string_view first, std::string_view second) {
  using namespace same_text_detail;
  const size_t size = first.size();
  if (size != second.size()) return false;
  const char *a = first.data(), *b = second.data();
  // The last word overlaps the one before.
  if (size >= 8) {
    if (size > 64) return std::memcmp(a, b, size) == 0;
    for (size_t i = 0; i + 8 < size; i += 8) {
      if (differs<uint64_t>(a + i, b + i)) return false;
    }
    return !differs<uint64_t>(a + size - 8, b + size - 8);
  }
  if (size >= 4) return !differs<uint32_t>(a, b) && !differs<uint32_t>(a + size - 4, b + size - 4);
  return size == 0 || (a[0] == b[0] && a[size / 2] == b[size / 2] && a[size - 1] == b[size - 1]);
}

// Of two texts of one size; up to 16 bytes behind them are read: an Arena has them. Whatever the size, up to 16 and
// from there to 32, there is no branch to guess wrong.
inline bool same_bytes(const char* a, const char* b, size_t size) {
  using namespace same_text_detail;
  if (size > 32) return std::memcmp(a, b, size) == 0;
  if (size > 16) {
    if ((differing<uint64_t>(a, b) | differing<uint64_t>(a + 8, b + 8)) != 0) return false;
    a += 16, b += 16, size -= 16;
  }
  const uint64_t first = differing<uint64_t>(a, b) & kInside[size][0];
  const uint64_t second = differing<uint64_t>(a + 8, b + 8) & kInside[size][1];
  return (first | second) == 0;
}

// A text of up to kMost bytes in words of its own, zero behind it.
class InlineText {
 public:
  static constexpr size_t kMost = 24;

  InlineText() = default;
  // kMost bytes are read, whatever the size.
  InlineText(const char* text, size_t size) {
    static constexpr auto kInside = same_text_detail::inside_words<3>();
    for (size_t k = 0; k < 3; ++k) {
      std::memcpy(&words_[k], text + 8 * k, sizeof words_[k]);
      words_[k] &= kInside[size][k];
    }
  }
  // 0 where they are the same.
  uint64_t differing(const InlineText& other) const {
    uint64_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits |= words_[k] ^ other.words_[k];
    return bits;
  }

 private:
  std::array<uint64_t, 3> words_{};
};

}  // namespace feat

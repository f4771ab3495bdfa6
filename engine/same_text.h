// Equality of short texts, by words: no call, and no byte read past an end.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace feat {

namespace same_text_detail {

template <class Word>
bool differs(const char* a, const char* b) {
  Word one, other;
  std::memcpy(&one, a, sizeof one);
  std::memcpy(&other, b, sizeof other);
  return one != other;
}

}  // namespace same_text_detail

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

}  // namespace feat

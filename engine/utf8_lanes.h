// UTF-8 of 64 bytes at a time, for engine/each_simd.h.
//
// A byte and the one before it are wrong together in eight ways (engine/utf8_pairs.h): of each half of the first and of
// the upper half of the second a table says which may be, and what all three say is. Where two bytes in the middle of
// characters follow each other, that is right if, and only if, the one two or three before begins a long one.
// J. Keiser, D. Lemire: Validating UTF-8 in less than one instruction per byte (2021), section 6.

// Whether what is wrong, of 64 bytes with three before them, is nothing.
inline bool goes_on(const char* text) {
  const Bytes before(text - 1);
  const Bytes found = before.upper().in(utf8_pairs::kByUpper.data()) &
                      (before & Bytes::all(0x0F)).in(utf8_pairs::kByLower.data()) &
                      Bytes(text).upper().in(utf8_pairs::kBySecond.data());
  const Bytes long_one = Bytes(text - 2).less(0xE0 - 0x80) | Bytes(text - 3).less(0xF0 - 0x80);
  return !(found ^ (long_one & Bytes::all(utf8_pairs::kTwoInside))).any();
}

// How many bytes, from the first, are known to be UTF-8; a character begins behind them.
inline int64_t valid_utf8_bytes(const char* text, int64_t size) {
  constexpr int64_t kBlock = 64, kBefore = 3;
  if (size < kBlock) return 0;
  char first[kBefore + kBlock] = {};
  std::memcpy(first + kBefore, text, kBlock);
  if (Bytes(text).any_from_80() && !goes_on(first + kBefore)) return 0;
  int64_t at = kBlock;
  bool within = utf8_pairs::ends_within(text + at);  // a character
  for (; size - at >= kBlock; at += kBlock) {
    if (Bytes(text + at).any_from_80()) {
      if (!goes_on(text + at)) break;
      within = utf8_pairs::ends_within(text + at + kBlock);
    } else if (within) {
      break;
    }
  }
  if (!within) return at;
  do --at;
  while ((text[at] & 0xC0) == 0x80);
  return at;
}

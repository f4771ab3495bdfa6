// UTF-8 of 64 bytes at a time, for engine/each_simd.h.
//
// What follows a first byte is known from it: so the bits of where later bytes of characters are due, of all first
// bytes shifted by 1, 2 and 3, are those of where they are. Beside that, four first bytes do not take every second
// byte.

// How many bytes, from the first, are known to be UTF-8; a character begins behind them.
inline int64_t valid_utf8_bytes(const char* text, int64_t size) {
  uint64_t due = 0;                                  // later bytes, in this block, of characters before it
  uint64_t low = 0, high = 0, lower = 0, upper = 0;  // its first byte is the second one of E0, ED, F0, F4
  int64_t at = 0;
  for (; size - at >= 64; at += 64) {
    const Bytes bytes(text + at);
    const uint64_t no_ascii = bytes.at_least(0x80);
    if (no_ascii == 0) {
      if (due != 0) break;
      continue;
    }
    const uint64_t from_c0 = bytes.at_least(0xC0), first = bytes.at_least(0xC2), three = bytes.at_least(0xE0);
    uint64_t wrong = from_c0 & ~first, wanted = due | first << 1 | three << 2;
    uint64_t next = first >> 63 | three >> 62;
    if ((three | due) != 0) {
      const uint64_t four = bytes.at_least(0xF0), from_90 = bytes.at_least(0x90), from_a0 = bytes.at_least(0xA0);
      const uint64_t e0 = three & ~bytes.at_least(0xE1), ed = bytes.at_least(0xED) & ~bytes.at_least(0xEE);
      const uint64_t f0 = four & ~bytes.at_least(0xF1), from_f5 = bytes.at_least(0xF5);
      const uint64_t f4 = bytes.at_least(0xF4) & ~from_f5;
      wrong |= from_f5 | ((e0 << 1 | low) & ~from_a0) | ((ed << 1 | high) & from_a0);
      wrong |= ((f0 << 1 | lower) & ~from_90) | ((f4 << 1 | upper) & from_90);
      wanted |= four << 3;
      next |= four >> 61;
      low = e0 >> 63, high = ed >> 63, lower = f0 >> 63, upper = f4 >> 63;
    }
    if (((no_ascii & ~from_c0) ^ wanted) != 0 || wrong != 0) break;
    due = next;
  }
  if (due == 0) return at;
  do --at;
  while ((text[at] & 0xC0) == 0x80);
  return at;
}

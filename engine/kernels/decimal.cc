#include "engine/kernels/decimal.h"

#include <charconv>
#include <cmath>
#include <string>

#include "engine/error.h"

namespace feat::decimal {

int checked_digits(int64_t digits) {
  if (digits < 0 || digits > kMostDigits) {
    throw EngineError("the number of digits is 0 to " + std::to_string(kMostDigits) + ", not " +
                      std::to_string(digits));
  }
  return static_cast<int>(digits);
}

namespace {

// Whether the number lies in the middle between two decimals: then it is an odd multiple of 2^-(digits + 1).
bool is_half(double size, int digits) {
  const double halves = std::ldexp(size, digits + 1);
  return halves < 0x1p53 && halves == std::floor(halves) && (static_cast<int64_t>(halves) & 1) != 0;
}

}  // namespace

std::string_view fixed(double size, int digits, Buffer& buffer) {
  char* const begin = buffer.text + 1;  // a carry may need a digit before
  const bool half = is_half(size, digits);
  char* end =
      std::to_chars(begin, buffer.text + sizeof(buffer.text), size, std::chars_format::fixed, digits + (half ? 1 : 0))
          .ptr;
  if (!half) return {begin, static_cast<size_t>(end - begin)};
  --end;  // the 5 goes, the place before it is one more
  if (digits == 0) --end;
  for (char* place = end - 1;; --place) {
    if (place < begin) {
      buffer.text[0] = '1';
      return {buffer.text, static_cast<size_t>(end - buffer.text)};
    }
    if (*place == '.') continue;
    if (*place != '9') {
      ++*place;
      return {begin, static_cast<size_t>(end - begin)};
    }
    *place = '0';
  }
}

double rounded(double x, int digits) {
  const double size = std::fabs(x);
  if (!(size < 0x1p52)) return x;
  Buffer buffer;
  const std::string_view text = fixed(size, digits, buffer);
  double nearest = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), nearest);
  return std::copysign(nearest, x);
}

}  // namespace feat::decimal

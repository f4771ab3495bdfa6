// Floats as decimals with a fixed number of places, rounded exactly: halves of the number as it is go away from zero.
#pragma once

#include <cstdint>
#include <string_view>

namespace feat::decimal {

inline constexpr int kMostDigits = 100;

// Room for the 309 digits of the largest float, the point, the places, and one more of each.
struct Buffer {
  char text[420];
};

// Errors: EngineError for a number of places that is not 0 to kMostDigits.
int checked_digits(int64_t digits);

// "12.35" of 12.345678 and 2 places, "12" of 0 places; `size` is finite and not negative.
std::string_view fixed(double size, int digits, Buffer& buffer);

// The float64 next to that decimal, with the sign. NaN and infinity stay.
double rounded(double x, int digits);

}  // namespace feat::decimal

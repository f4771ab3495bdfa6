// Bodies of featdsl/operators/geo.py.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/kernel.h"
#include "engine/strictmath_trig.h"

namespace feat::geo {

inline constexpr double kRadian = 0x1.1df46a2529d39p-6;  // of a degree
inline constexpr double kDiameterKm = 2 * 6371.0088;

inline bool outside(double latitude, double longitude) {
  return std::fabs(latitude) > 90.0 || std::fabs(longitude) > 180.0;
}

inline Maybe<double> haversine(double lat1, double lon1, double lat2, double lon2) {
  using strictmath::cos, strictmath::sin;
  if (outside(lat1, lon1) || outside(lat2, lon2)) return {};
  const double s = sin((lat2 - lat1) * kRadian / 2.0);
  const double t = sin((lon2 - lon1) * kRadian / 2.0);
  const double square = s * s + cos(lat1 * kRadian) * cos(lat2 * kRadian) * (t * t);
  return kDiameterKm * strictmath::asin(std::sqrt(square > 1.0 ? 1.0 : square));
}

// False outside the coordinates' range. All middles are exact.
inline bool geohash(double latitude, double longitude, int64_t precision, TextOut& out) {
  if (!(std::fabs(latitude) <= 90.0 && std::fabs(longitude) <= 180.0)) return false;
  double low[2] = {-180.0, -90.0};
  double high[2] = {180.0, 90.0};
  const double value[2] = {longitude, latitude};
  size_t axis = 0;
  for (int64_t place = 0; place < precision; ++place) {
    size_t digit = 0;
    for (int bit = 0; bit < 5; ++bit) {
      const double middle = (low[axis] + high[axis]) / 2.0;
      const bool upper = value[axis] >= middle;
      (upper ? low : high)[axis] = middle;
      digit = digit * 2 + (upper ? 1 : 0);
      axis = 1 - axis;
    }
    out.push_back("0123456789bcdefghjkmnpqrstuvwxyz"[digit]);
  }
  return true;
}

}  // namespace feat::geo

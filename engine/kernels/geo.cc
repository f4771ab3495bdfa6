#include "engine/kernels/geo.h"

namespace feat {

void register_geo(Registry& r) {
  r.add("haversine", [](double lat1, double lon1, double lat2, double lon2) -> Maybe<double> {
    return geo::haversine(lat1, lon1, lat2, lon2);
  });
  r.add(
      "geohash",
      [](const Attributes& a) {
        const int64_t precision = a.integer("precision");
        if (precision < 1 || precision > 12) throw EngineError("the precision of a geohash is 1 to 12");
        return precision;
      },
      [](const int64_t& precision, double latitude, double longitude, TextOut& out) -> bool {
        return geo::geohash(latitude, longitude, precision, out);
      });
}

}  // namespace feat

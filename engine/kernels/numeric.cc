#include "engine/kernels/numeric.h"

namespace feat {

void register_numeric(Registry& r) {
  r.add(
      "bucketize",
      [](const Attributes& a) { return numeric::Buckets<int64_t>{a.integers("edges"), a.boolean("right")}; },
      [](const numeric::Buckets<int64_t>& buckets, int64_t x) -> int64_t { return buckets.find(x); });
  r.add(
      "bucketize", [](const Attributes& a) { return numeric::Buckets<double>{a.numbers("edges"), a.boolean("right")}; },
      [](const numeric::Buckets<double>& buckets, double x) -> int64_t { return buckets.find(x); });
}

}  // namespace feat

#include "engine/kernels/numeric.h"

namespace feat {

void register_numeric(Registry& r) {
  r.add_column(
      "bucketize(i64)->i64",
      [](const Attributes& a) { return numeric::Buckets<int64_t>{a.integers("edges"), a.boolean("right")}; },
      numeric::bucketize<int64_t>, true);
  r.add_column(
      "bucketize(f64)->i64",
      [](const Attributes& a) { return numeric::Buckets<double>{a.numbers("edges"), a.boolean("right")}; },
      numeric::bucketize<double>, true);
  r.add(
      "log_bucketize",
      [](const Attributes& a) {
        return numeric::LogBuckets(a.number("base"), a.integer("buckets"), a.number("start"));
      },
      [](const numeric::LogBuckets& buckets, double x) -> int64_t { return buckets.find(x); });
  r.add(
      "one_hot",
      [](const Attributes& a) {
        const int64_t size = a.integer("size");
        if (size != a.result().size) {
          throw EngineError("one_hot of " + std::to_string(size) + " gives no `" + a.result().text() + "`");
        }
        return size;
      },
      [](const int64_t& size, int64_t x, ListOut<int64_t>& out) {
        for (int64_t place = 0; place < size; ++place) out.push(place == x ? 1 : 0);
      });
}

}  // namespace feat

#include "engine/kernels/normalise.h"

namespace feat {

void register_normalise(Registry& r) {
  r.add(
      "zscore", [](const Attributes& a) { return normalise::Scale{a.number("mean"), a.number("std")}; },
      [](const normalise::Scale& scale, double x) -> double { return scale(x); });
  r.add(
      "minmax",
      [](const Attributes& a) {
        return normalise::Scale{a.number("low"), a.number("high") - a.number("low"), a.boolean("clip")};
      },
      [](const normalise::Scale& scale, double x) -> double { return scale(x); });
}

}  // namespace feat

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
  r.add(
      "log_scale", [](const Attributes& a) { return normalise::LogScale{a.number("threshold"), a.number("default")}; },
      [](const normalise::LogScale& scale, Maybe<double> x) -> double { return scale(x); });
  r.add("signed_log1p", [](double x) -> double { return normalise::signed_log1p(x); });
  r.add(
      "cyclic", [](const Attributes& a) { return a.number("period"); },
      [](const double& period, double x, ListOut<double>& out) { normalise::cyclic(x, period, out); });
}

}  // namespace feat

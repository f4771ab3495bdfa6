#include "engine/kernels/time.h"

#include <algorithm>

#include "engine/kernels/math.h"

namespace feat {

namespace time {

Clock::Clock(Attributes::ZoneTable zone) : starts_(zone.starts), offsets_(zone.offsets) {
  if (offsets_.empty() || offsets_.size() != starts_.size()) {
    throw EngineError("a time zone needs one offset for each start, and at least one");
  }
  for (const int64_t offset : offsets_) {
    if (offset <= -kDay || offset >= kDay) throw EngineError("a time zone's offset is less than a day");
  }
}

int64_t Clock::offset(int64_t at) const {
  if (starts_.size() == 1) return offsets_[0];
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), at) - starts_.begin();
  return offsets_[after > 0 ? static_cast<size_t>(after) - 1 : 0];
}

}  // namespace time

namespace {

template <class Part>
void register_part(Registry& r, std::string_view name, Part part) {
  r.add(
      name, [](const Attributes& a) { return time::Clock(a.zone("zone")); },
      [part](const time::Clock& clock, int64_t at) -> int64_t { return part(clock.local(at)); });
}

void register_length(Registry& r, std::string_view name, int64_t unit_us) {
  r.add(name, [unit_us](int64_t n) -> int64_t { return math::multiply(n, unit_us); });
}

}  // namespace

void register_time(Registry& r) {
  register_part(r, "year", [](time::Local at) { return time::civil(at.days).year; });
  register_part(r, "month", [](time::Local at) { return time::civil(at.days).month; });
  register_part(r, "day", [](time::Local at) { return time::civil(at.days).day; });
  register_part(r, "hour", [](time::Local at) { return at.of_day / time::kHour; });
  register_part(r, "minute", [](time::Local at) { return at.of_day % time::kHour / time::kMinute; });
  register_part(r, "weekday", [](time::Local at) { return time::weekday(at.days); });
  register_length(r, "days", time::kDay);
  register_length(r, "hours", time::kHour);
  register_length(r, "minutes", time::kMinute);
  register_length(r, "seconds", time::kSecond);
  register_length(r, "timestamp_seconds", time::kSecond);
  register_length(r, "timestamp_millis", 1'000);
}

}  // namespace feat

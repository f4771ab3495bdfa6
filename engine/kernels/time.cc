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

WideMoment Clock::instant(WideMoment local, bool first) const {
  // An offset that counts begins less than a day before the clocks show the time.
  size_t index = 0;
  if (const WideMoment day_before = local - kDay; day_before > INT64_MIN) {
    const int64_t from = day_before < INT64_MAX ? static_cast<int64_t>(day_before) : INT64_MAX;
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), from) - starts_.begin();
    index = after > 0 ? static_cast<size_t>(after) - 1 : 0;
  }
  while (index + 1 < starts_.size() && local >= WideMoment{starts_[index + 1]} + offsets_[index]) ++index;
  const WideMoment at = local - offsets_[index];
  if (index > 0 && at < starts_[index]) return first ? WideMoment{starts_[index]} : local - offsets_[index - 1];
  return at;
}

Truncation::Truncation(std::string_view unit, const Clock& clock) : clock_(clock) {
  if (unit == "second") {
    length_ = kSecond;
  } else if (unit == "minute") {
    length_ = kMinute;
  } else if (unit == "hour") {
    length_ = kHour;
  } else if (unit == "day") {
    unit_ = Unit::kDay;
  } else if (unit == "week") {
    unit_ = Unit::kWeek;
  } else if (unit == "month") {
    unit_ = Unit::kMonth;
  } else if (unit == "quarter") {
    unit_ = Unit::kQuarter;
  } else if (unit == "year") {
    unit_ = Unit::kYear;
  } else {
    throw EngineError("a timestamp is not truncated to the unit " + std::string(unit));
  }
}

int64_t Truncation::operator()(int64_t at) const {
  const Local local = clock_.local(at);
  if (unit_ == Unit::kFixed) return math::subtract(at, local.of_day % length_);
  int64_t days = local.days;
  if (unit_ == Unit::kWeek) {
    days -= weekday(days);
  } else if (unit_ != Unit::kDay) {
    const Date date = civil(days);
    const int64_t month = unit_ == Unit::kMonth     ? date.month
                          : unit_ == Unit::kQuarter ? date.month - (date.month - 1) % 3
                                                    : 1;
    days = days_of(date.year, month, 1);
  }
  return wrapped(clock_.instant(WideMoment{days} * kDay, true));
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
  register_part(r, "second", [](time::Local at) { return at.of_day % time::kMinute / time::kSecond; });
  register_part(r, "day_of_year", [](time::Local at) { return time::day_of_year(at.days); });
  register_part(r, "week_of_year", [](time::Local at) { return time::week_of_year(at.days); });
  register_part(r, "quarter", [](time::Local at) { return (time::civil(at.days).month + 2) / 3; });
  register_part(r, "days_in_month", [](time::Local at) {
    const time::Date date = time::civil(at.days);
    return time::month_length(date.year, date.month);
  });
  r.add("millisecond", [](int64_t at) -> int64_t {
    const int64_t rest = at % time::kSecond;
    return (rest < 0 ? rest + time::kSecond : rest) / 1'000;
  });
  r.add(
      "date", [](const Attributes& a) { return time::Clock(a.zone("zone")); },
      [](const time::Clock& clock, int64_t year, int64_t month, int64_t day) -> Maybe<int64_t> {
        if (!time::is_date(year, month, day)) return {};
        const time::WideMoment at = clock.instant(time::WideMoment{time::days_of(year, month, day)} * time::kDay, true);
        if (!time::fits(at)) return {};
        return static_cast<int64_t>(at);
      });
  r.add(
      "truncate", [](const Attributes& a) { return time::Truncation(a.text("unit"), time::Clock(a.zone("zone"))); },
      [](const time::Truncation& truncation, int64_t at) -> int64_t { return truncation(at); });
  register_length(r, "weeks", 7 * time::kDay);
  register_length(r, "days", time::kDay);
  register_length(r, "milliseconds", 1'000);
  register_length(r, "hours", time::kHour);
  register_length(r, "minutes", time::kMinute);
  register_length(r, "seconds", time::kSecond);
  register_length(r, "timestamp_seconds", time::kSecond);
  register_length(r, "timestamp_millis", 1'000);
  register_length(r, "timestamp_micros", 1);
}

}  // namespace feat

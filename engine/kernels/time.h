// Bodies of featdsl/operators/time.py: calendar fields of int64 microseconds, over their whole range.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/kernel.h"

namespace feat::time {

inline constexpr int64_t kSecond = 1'000'000;
inline constexpr int64_t kMinute = 60 * kSecond;
inline constexpr int64_t kHour = 60 * kMinute;
inline constexpr int64_t kDay = 24 * kHour;

// Days since 1970-01-01 and microseconds of the day, on a zone's clocks.
struct Local {
  int64_t days;
  int64_t of_day;
};

struct Date {
  int64_t year;
  int64_t month;
  int64_t day;
};

// A moment that may lie outside the range of a timestamp.
using WideMoment = __int128;

constexpr bool fits(WideMoment at) { return at >= INT64_MIN && at <= INT64_MAX; }
constexpr int64_t wrapped(WideMoment at) { return static_cast<int64_t>(static_cast<uint64_t>(at)); }

class Clock {
 public:
  // Errors: EngineError when the zone has no offset, or one of a day or more.
  explicit Clock(Attributes::ZoneTable zone);

  // The offset is added to the time of day and carried, so that no timestamp overflows.
  Local local(int64_t at) const {
    Local local{at / kDay, at % kDay};
    local.of_day += offset(at);
    while (local.of_day < 0) {
      local.of_day += kDay;
      --local.days;
    }
    if (local.of_day >= kDay) {
      local.of_day -= kDay;
      ++local.days;
    }
    return local;
  }

  // The moment when the clocks show `local` microseconds since 1970-01-01 00:00, the earlier of two. What they skip is
  // read as if they had not been put forward; with `first` it is the moment when they were.
  WideMoment instant(WideMoment local, bool first) const;

  // What is added to UTC.
  int64_t offset(int64_t at) const;

 private:
  std::span<const int64_t> starts_;
  std::span<const int64_t> offsets_;
};

// Year, month and day in the proleptic Gregorian calendar; see `civil` in the reference.
inline Date civil(int64_t days) {
  constexpr int64_t kDaysOf400Years = 146'097;
  const int64_t shifted = days + 719'468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - (kDaysOf400Years - 1)) / kDaysOf400Years;
  const int64_t day_of_era = shifted - era * kDaysOf400Years;
  const int64_t leap_days = day_of_era / 1460 - day_of_era / 36524 + day_of_era / 146096;
  const int64_t year_of_era = (day_of_era - leap_days) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_from_march = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
  const int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

// The reverse; the day may be past its month's end. `year` is within 10^9.
inline int64_t days_of(int64_t year, int64_t month, int64_t day) {
  const int64_t years = year - (month <= 2 ? 1 : 0);
  const int64_t era = (years >= 0 ? years : years - 399) / 400;
  const int64_t year_of_era = years - era * 400;
  const int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

inline int64_t month_length(int64_t year, int64_t month) {
  return month == 12 ? 31 : days_of(year, month + 1, 1) - days_of(year, month, 1);
}

// Whether the calendar has the day, among years that a timestamp may reach.
inline bool is_date(int64_t year, int64_t month, int64_t day) {
  return year > -300'000 && year < 300'000 && month >= 1 && month <= 12 && day >= 1 && day <= month_length(year, month);
}

inline int64_t day_of_year(int64_t days) { return days - days_of(civil(days).year, 1, 1) + 1; }

// 0 for Monday.
inline int64_t weekday(int64_t days) {
  const int64_t rest = (days + 3) % 7;
  return rest < 0 ? rest + 7 : rest;
}

// The week of ISO 8601.
inline int64_t week_of_year(int64_t days) { return (day_of_year(days - weekday(days) + 3) - 1) / 7 + 1; }

// The first moment of the unit that a timestamp lies in.
class Truncation {
 public:
  // Errors: EngineError for an unknown unit.
  Truncation(std::string_view unit, const Clock& clock);

  int64_t operator()(int64_t at) const;

 private:
  enum class Unit { kFixed, kDay, kWeek, kMonth, kQuarter, kYear };
  Unit unit_ = Unit::kFixed;
  int64_t length_ = 0;  // of a fixed one
  Clock clock_;
};

}  // namespace feat::time

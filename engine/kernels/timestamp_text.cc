#include "engine/kernels/timestamp_text.h"

#include "engine/error.h"

namespace feat::time {

namespace {

// The parts of a time, as they are read.
struct Parts {
  int64_t year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0, micros = 0;
  bool has_offset = false;
  int64_t offset = 0;
};

// Reads a text from its start; a method that gives false met something else.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }

  bool take(std::string_view literal) {
    if (text_.substr(at_, literal.size()) != literal) return false;
    at_ += literal.size();
    return true;
  }

  bool number(size_t least, size_t most, int64_t& value) {
    const size_t count = digits(most);
    if (count < least) return false;
    value = 0;
    for (size_t i = 0; i < count; ++i) value = value * 10 + (text_[at_++] - '0');
    return true;
  }

  // A fraction of a second of 1 to 9 digits, cut to six.
  bool micros(int64_t& value) {
    const size_t count = digits(9);
    if (count == 0) return false;
    value = 0;
    for (size_t i = 0; i < 6; ++i) value = value * 10 + (i < count ? text_[at_ + i] - '0' : 0);
    at_ += count;
    return true;
  }

  // `Z`, `+05`, `+0530` or `+05:30`.
  bool offset(Parts& parts) {
    parts.has_offset = true;
    if (take("Z")) return true;
    const bool negative = take("-");
    if (!negative && !take("+")) return false;
    int64_t hours = 0;
    int64_t minutes = 0;
    if (!number(2, 2, hours)) return false;
    const size_t colon = text_.substr(at_).starts_with(':') ? 1 : 0;
    at_ += colon;
    if (digits(2) == 2) {
      number(2, 2, minutes);
    } else {
      at_ -= colon;
    }
    parts.offset = (negative ? -1 : 1) * (hours * kHour + minutes * kMinute);
    return hours <= 23 && minutes <= 59;
  }

 private:
  size_t digits(size_t most) const {
    size_t count = 0;
    while (count < most && at_ + count < text_.size() && text_[at_ + count] >= '0' && text_[at_ + count] <= '9') {
      ++count;
    }
    return count;
  }

  std::string_view text_;
  size_t at_ = 0;
};

bool scan_item(const PatternItem& item, Scanner& scanner, Parts& parts) {
  switch (item.letter) {
    case 0:
      return scanner.take(item.literal);
    case 'Y':
      return scanner.number(4, 4, parts.year);
    case 'm':
      return scanner.number(1, 2, parts.month);
    case 'd':
      return scanner.number(1, 2, parts.day);
    case 'H':
      return scanner.number(1, 2, parts.hour);
    case 'M':
      return scanner.number(1, 2, parts.minute);
    case 'S':
      return scanner.number(1, 2, parts.second);
    case 'f':
      return scanner.micros(parts.micros);
    default:
      return scanner.offset(parts);
  }
}

bool scan_iso(Scanner& scanner, Parts& parts) {
  if (!scanner.number(4, 4, parts.year) || !scanner.take("-") || !scanner.number(2, 2, parts.month) ||
      !scanner.take("-") || !scanner.number(2, 2, parts.day)) {
    return false;
  }
  if (scanner.at_end()) return true;
  if (!scanner.take("T") && !scanner.take(" ")) return false;
  if (!scanner.number(2, 2, parts.hour) || !scanner.take(":") || !scanner.number(2, 2, parts.minute)) return false;
  if (scanner.take(":")) {
    if (!scanner.number(2, 2, parts.second)) return false;
    if ((scanner.take(".") || scanner.take(",")) && !scanner.micros(parts.micros)) return false;
  }
  return scanner.at_end() || scanner.offset(parts);
}

void append_digits(int64_t value, int least, TextOut& out) {
  char text[20];
  int count = 0;
  do {
    text[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value > 0);
  for (int i = count; i < least; ++i) out.push_back('0');
  while (count > 0) out.push_back(text[--count]);
}

}  // namespace

std::vector<PatternItem> pattern_items(std::string_view pattern, std::string_view letters) {
  std::vector<PatternItem> items;
  for (size_t at = 0; at < pattern.size(); ++at) {
    const bool escaped = pattern[at] == '%';
    if (escaped && ++at == pattern.size()) throw EngineError("a time pattern ends with %");
    if (!escaped || pattern[at] == '%') {
      if (items.empty() || items.back().letter != 0) items.push_back({});
      items.back().literal.push_back(pattern[at]);
    } else if (letters.find(pattern[at]) != letters.npos) {
      items.push_back({pattern[at], {}});
    } else {
      throw EngineError(std::string("a time pattern has no %") + pattern[at]);
    }
  }
  return items;
}

TimestampReader::TimestampReader(std::string_view format, const Clock& clock) : iso_(format == "iso"), clock_(clock) {
  if (!iso_) items_ = pattern_items(format, "YmdHMSfz");
}

Maybe<int64_t> TimestampReader::operator()(std::string_view s) const {
  Scanner scanner(s);
  Parts parts;
  if (iso_) {
    if (!scan_iso(scanner, parts)) return {};
  } else {
    for (const PatternItem& item : items_) {
      if (!scan_item(item, scanner, parts)) return {};
    }
  }
  if (!scanner.at_end() || !is_date(parts.year, parts.month, parts.day)) return {};
  if (parts.hour > 23 || parts.minute > 59 || parts.second > 59) return {};
  const int64_t local = days_of(parts.year, parts.month, parts.day) * kDay + parts.hour * kHour +
                        parts.minute * kMinute + parts.second * kSecond + parts.micros;
  return parts.has_offset ? local - parts.offset : wrapped(clock_.instant(local, false));
}

TimestampWriter::TimestampWriter(std::string_view pattern, const Clock& clock)
    : items_(pattern_items(pattern, "YmdHMSfjz")), clock_(clock) {}

void TimestampWriter::operator()(int64_t at, TextOut& out) const {
  const Local local = clock_.local(at);
  const Date date = civil(local.days);
  for (const PatternItem& item : items_) {
    switch (item.letter) {
      case 0:
        out.append(item.literal);
        break;
      case 'Y':
        if (date.year < 0) out.push_back('-');
        append_digits(date.year < 0 ? -date.year : date.year, 4, out);
        break;
      case 'm':
        append_digits(date.month, 2, out);
        break;
      case 'd':
        append_digits(date.day, 2, out);
        break;
      case 'H':
        append_digits(local.of_day / kHour, 2, out);
        break;
      case 'M':
        append_digits(local.of_day % kHour / kMinute, 2, out);
        break;
      case 'S':
        append_digits(local.of_day % kMinute / kSecond, 2, out);
        break;
      case 'f':
        append_digits(local.of_day % kSecond, 6, out);
        break;
      case 'j':
        append_digits(day_of_year(local.days), 3, out);
        break;
      default: {
        const int64_t offset = clock_.offset(at);
        const int64_t minutes = (offset < 0 ? -offset : offset) / kMinute;
        out.push_back(offset < 0 ? '-' : '+');
        append_digits(minutes / 60, 2, out);
        append_digits(minutes % 60, 2, out);
      }
    }
  }
}

}  // namespace feat::time

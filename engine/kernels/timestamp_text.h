// Timestamps as text. See featdsl/operators/timestamp_text.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/time.h"

namespace feat::time {

// A part of a pattern: a letter after `%`, or literal text.
struct PatternItem {
  char letter = 0;
  std::string literal;
};

// Errors: EngineError for a letter that is not in `letters`.
std::vector<PatternItem> pattern_items(std::string_view pattern, std::string_view letters);

// Text to a timestamp, by a pattern or as ISO 8601 ("iso").
class TimestampReader {
 public:
  TimestampReader(std::string_view format, const Clock& clock);
  // Null for what is not wholly a time.
  Maybe<int64_t> operator()(std::string_view s) const;

 private:
  std::vector<PatternItem> items_;
  bool iso_;
  Clock clock_;
};

class TimestampWriter {
 public:
  TimestampWriter(std::string_view pattern, const Clock& clock);
  void operator()(int64_t at, TextOut& out) const;

 private:
  std::vector<PatternItem> items_;
  Clock clock_;
};

}  // namespace feat::time

// JSON as RFC 8259 has it, nothing more, and paths into it. See featdsl/operators/json_text.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kernel.h"

namespace feat::json {

// Lists and objects within each other.
inline constexpr int kDeepest = 100;

enum class Kind { Absent, Null, Bool, Number, String, List, Object };

// A value as it is written.
struct Value {
  Kind kind = Kind::Absent;
  std::string_view raw;
};

// The steps of a path like $.a["b c"][0].
class Path {
 public:
  // Errors: EngineError.
  explicit Path(std::string_view text);

  // What stands at the path: the last one of equal keys. Absent where nothing does, and where `text` is no JSON.
  Value find(std::string_view text) const;

 private:
  struct Step {
    bool is_name;
    std::string name;
    int64_t index;
  };
  friend class Reader;
  std::vector<Step> steps_;
};

// The characters of a string, everything else as it is written. False for Absent and Null.
bool append_text(const Value& value, TextOut& out);

// The elements of a list that is valid, each as `append_text` writes it, without nulls.
void push_elements(const Value& list, ListOut<std::string_view>& out);

}  // namespace feat::json

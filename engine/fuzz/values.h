// Columns to run a fuzzed program on: nulls where they may be, and values at the edges.
#pragma once

#include "engine/batch.h"
#include "engine/program.h"

namespace feat::fuzz {

// Whether values of the type are of a size that a fuzzer can afford.
inline bool is_small(const Type& type) {
  if (type.size > 256) return false;
  for (const Type& child : type.children)
    if (!is_small(child)) return false;
  return true;
}

inline void append(const Type& type, ColumnBuilder& builder, uint32_t turn) {
  static const int64_t kIntegers[] = {0, 1, -1, 7, INT32_MAX, INT32_MIN};
  static const double kFloats[] = {0.0, 1.5, -0.0, -1e30, 5e-300, 2.5};
  static const std::string_view kTexts[] = {"", "a", "a b,c", "\xF0\x9F\x98\x80", "-12.5e3", "2024-02-29T00:00:00Z"};
  if (type.nullable && turn % 5 == 4) return builder.append_null();
  switch (type.kind) {
    case Kind::Bool:
      return builder.append_bool(turn % 2 == 1);
    case Kind::Int32:
    case Kind::Int64:
    case Kind::Timestamp:
    case Kind::Id:
      return builder.append_integer(kIntegers[turn % 6]);
    case Kind::Float32:
    case Kind::Float64:
      return builder.append_float(kFloats[turn % 6]);
    case Kind::String:
      return builder.append_text(kTexts[turn % 6]);
    case Kind::Nothing:
      return builder.append_null();
    case Kind::List:
    case Kind::Vector:
    case Kind::Map: {
      const int64_t count = type.kind == Kind::Vector ? type.size : turn % 4;
      for (int64_t i = 0; i < count; ++i) {
        if (type.kind == Kind::Map) append(type.children[0], builder.keys(), turn + static_cast<uint32_t>(i));
        append(type.element(), builder.items(), turn + static_cast<uint32_t>(2 * i + 1));
      }
      return builder.end_row();
    }
  }
}

// `num_rows` rows of every input of the program.
inline Batch batch_for(const Program& program, int64_t num_rows) {
  const auto memory = std::make_shared<Arena>();
  std::vector<Batch::Field> fields;
  uint32_t turn = 0;
  for (const NamedType& input : program.inputs()) {
    ColumnBuilder builder(input.type, *memory);
    for (int64_t row = 0; row < num_rows; ++row) append(input.type, builder, turn++);
    fields.push_back({input.name, input.type, builder.finish(), memory});
  }
  return Batch(num_rows, std::move(fields));
}

}  // namespace feat::fuzz

// Types: the declared ones of the language (as text in programs and batches), the layouts columns are
// stored in, and the shapes that kernels tell apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace feat {

enum class Kind : uint8_t { Bool, Int32, Int64, Float32, Float64, String, Timestamp, Id, List, Vector, Map, Nothing };

// A declared type, as `featdsl.types.Type`: children are [element], or [key, value] of a map.
struct Type {
  Kind kind = Kind::Nothing;
  bool nullable = false;
  int32_t size = 0;  // of a vector
  std::vector<Type> children;

  const Type& element() const { return children.back(); }
  // The type of the elements, `depth` lists deep.
  const Type& inside(int depth) const { return depth == 0 ? *this : element().inside(depth - 1); }
  bool is_listlike() const { return kind == Kind::List || kind == Kind::Vector; }
  bool is_integer() const;  // held as int64 in a program
  bool is_float() const;

  // Errors: EngineError on what is not a type, nests deeper than 16, or has a vector past 2^24.
  static Type parse(std::string_view text);
  std::string text() const;
  bool operator==(const Type&) const = default;
  // The same with int64 for int32 and float64 for float32: what a program holds it as.
  Type held() const;
  // Whether int32 or float32 occurs in it.
  bool is_narrow() const;
  // Equal, nullness of the value itself apart.
  bool same_values(const Type& other) const;
};

// What a kernel sees of a type: bool, i64, f64, str, list<…> (vectors too), map<…>; `any` in patterns.
struct Shape {
  enum Base : uint8_t { Bool, I64, F64, Str, List, Map, Any, Nothing };
  Base base = Any;
  std::vector<Shape> children;

  static Shape of(const Type& type);
  static Shape parse(std::string_view text);
  std::string text() const;
  // Whether a value of shape `given` can stand here. `any` is one shape throughout a signature: `bound`, Any until it
  // is known. Nothing (of null and []) fits everywhere.
  bool admits(const Shape& given, Shape& bound) const;
  // With `any` replaced.
  Shape with(const Shape& bound) const;
  bool has_any() const;
  bool operator==(const Shape&) const = default;
};

}  // namespace feat

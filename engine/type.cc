#include "engine/type.h"

#include <array>
#include <utility>

#include "engine/error.h"

namespace feat {
namespace {

constexpr int kMaxDepth = 16;
constexpr int32_t kMaxVector = 1 << 24;

constexpr std::array<std::pair<std::string_view, Kind>, 12> kKinds = {{
    {"bool", Kind::Bool},
    {"int32", Kind::Int32},
    {"int64", Kind::Int64},
    {"float32", Kind::Float32},
    {"float64", Kind::Float64},
    {"string", Kind::String},
    {"timestamp", Kind::Timestamp},
    {"id", Kind::Id},
    {"list", Kind::List},
    {"vector", Kind::Vector},
    {"map", Kind::Map},
    {"nothing", Kind::Nothing},
}};

constexpr std::array<std::pair<std::string_view, Shape::Base>, 8> kBases = {{
    {"bool", Shape::Bool},
    {"i64", Shape::I64},
    {"f64", Shape::F64},
    {"str", Shape::Str},
    {"list", Shape::List},
    {"map", Shape::Map},
    {"any", Shape::Any},
    {"nothing", Shape::Nothing},
}};

// A reader of `name<a, b>`, for types and shapes alike.
class Text {
 public:
  explicit Text(std::string_view text) : text_(text), rest_(text) {}

  std::string_view word() {
    skip_spaces();
    size_t end = 0;
    while (end < rest_.size() && is_word(rest_[end])) ++end;
    const std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return found;
  }
  bool take(char mark) {
    skip_spaces();
    if (rest_.empty() || rest_[0] != mark) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char mark) {
    if (!take(mark)) fail();
  }
  void expect_end() {
    skip_spaces();
    if (!rest_.empty()) fail();
  }
  [[noreturn]] void fail() const { throw EngineError("not a type: `" + std::string(text_.substr(0, 80)) + "`"); }

 private:
  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  }
  void skip_spaces() {
    while (!rest_.empty() && rest_[0] == ' ') rest_.remove_prefix(1);
  }
  std::string_view text_, rest_;
};

int32_t vector_size(Text& text) {
  int64_t size = 0;
  const std::string_view digits = text.word();
  if (digits.empty()) text.fail();
  for (char c : digits) {
    if (c < '0' || c > '9') text.fail();
    size = size * 10 + (c - '0');
    if (size > kMaxVector) throw EngineError("a vector is longer than 2^24: " + std::string(digits));
  }
  return static_cast<int32_t>(size);
}

Type parse_type(Text& text, int depth) {
  if (depth > kMaxDepth) throw EngineError("a type is nested more than 16 deep");
  const std::string_view name = text.word();
  Type type;
  bool known = false;
  for (const auto& [kind_name, kind] : kKinds) {
    if (kind_name == name) type.kind = kind, known = true;
  }
  if (!known) text.fail();
  if (type.kind == Kind::List || type.kind == Kind::Vector || type.kind == Kind::Map) {
    text.expect('<');
    type.children.push_back(parse_type(text, depth + 1));
    if (type.kind == Kind::Map) {
      text.expect(',');
      type.children.push_back(parse_type(text, depth + 1));
    } else if (type.kind == Kind::Vector) {
      text.expect(',');
      type.size = vector_size(text);
    }
    text.expect('>');
  }
  type.nullable = text.take('?');
  return type;
}

Shape parse_shape(Text& text, int depth) {
  if (depth > kMaxDepth) text.fail();
  const std::string_view name = text.word();
  Shape shape;
  bool known = false;
  for (const auto& [base_name, base] : kBases) {
    if (base_name == name) shape.base = base, known = true;
  }
  if (!known) text.fail();
  if (shape.base == Shape::List || shape.base == Shape::Map) {
    text.expect('<');
    shape.children.push_back(parse_shape(text, depth + 1));
    if (shape.base == Shape::Map) {
      text.expect(',');
      shape.children.push_back(parse_shape(text, depth + 1));
    }
    text.expect('>');
  }
  return shape;
}

}  // namespace

bool Type::is_integer() const {
  return kind == Kind::Int32 || kind == Kind::Int64 || kind == Kind::Timestamp || kind == Kind::Id;
}

bool Type::is_float() const { return kind == Kind::Float32 || kind == Kind::Float64; }

Type Type::parse(std::string_view text) {
  Text reader(text);
  Type type = parse_type(reader, 0);
  reader.expect_end();
  return type;
}

std::string Type::text() const {
  std::string out(kKinds[static_cast<size_t>(kind)].first);
  if (!children.empty()) {
    out += "<" + children[0].text();
    if (kind == Kind::Map) out += ", " + children[1].text();
    if (kind == Kind::Vector) out += ", " + std::to_string(size);
    out += ">";
  }
  return nullable ? out + "?" : out;
}

Type Type::held() const {
  Type type = *this;
  if (kind == Kind::Int32) type.kind = Kind::Int64;
  if (kind == Kind::Float32) type.kind = Kind::Float64;
  for (Type& child : type.children) child = child.held();
  return type;
}

bool Type::is_narrow() const {
  if (kind == Kind::Int32 || kind == Kind::Float32) return true;
  for (const Type& child : children) {
    if (child.is_narrow()) return true;
  }
  return false;
}

bool Type::same_values(const Type& other) const {
  return kind == other.kind && size == other.size && children == other.children;
}

Shape Shape::of(const Type& type) {
  switch (type.kind) {
    case Kind::Bool:
      return {Bool, {}};
    case Kind::Int32:
    case Kind::Int64:
    case Kind::Timestamp:
    case Kind::Id:
      return {I64, {}};
    case Kind::Float32:
    case Kind::Float64:
      return {F64, {}};
    case Kind::String:
      return {Str, {}};
    case Kind::List:
    case Kind::Vector:
      return {List, {of(type.element())}};
    case Kind::Map:
      return {Map, {of(type.children[0]), of(type.children[1])}};
    case Kind::Nothing:
      return {Nothing, {}};
  }
  return {Nothing, {}};
}

Shape Shape::parse(std::string_view text) {
  Text reader(text);
  Shape shape = parse_shape(reader, 0);
  reader.expect_end();
  return shape;
}

std::string Shape::text() const {
  std::string out(kBases[base].first);
  if (!children.empty()) {
    out += "<" + children[0].text();
    if (base == Map) out += "," + children[1].text();
    out += ">";
  }
  return out;
}

namespace {

// The shape that both are, where Nothing is every shape; false if there is none.
bool merge(Shape& into, const Shape& given) {
  if (given.base == Shape::Nothing) return true;
  if (into.base == Shape::Nothing) {
    into = given;
    return true;
  }
  if (into.base != given.base) return false;
  for (size_t i = 0; i < into.children.size(); ++i) {
    if (!merge(into.children[i], given.children[i])) return false;
  }
  return true;
}

}  // namespace

bool Shape::admits(const Shape& given, Shape& bound) const {
  if (base == Any) {
    if (bound.base != Any) return merge(bound, given);
    bound = given;
    return true;
  }
  if (given.base == Nothing) return true;
  if (base != given.base) return false;
  for (size_t i = 0; i < children.size(); ++i) {
    if (!children[i].admits(given.children[i], bound)) return false;
  }
  return true;
}

Shape Shape::with(const Shape& bound) const {
  if (base == Any) return bound;
  Shape out = *this;
  for (Shape& child : out.children) child = child.with(bound);
  return out;
}

bool Shape::has_any() const {
  if (base == Any) return true;
  for (const Shape& child : children) {
    if (child.has_any()) return true;
  }
  return false;
}

}  // namespace feat

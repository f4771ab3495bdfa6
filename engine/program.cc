#include "engine/program.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "engine/convert.h"
#include "engine/cpu.h"
#include "engine/fuse.h"

namespace feat {

static_assert(std::endian::native == std::endian::little, "program files and columns are little-endian");

namespace {

constexpr std::string_view kMagic = "FEATPRG1";
constexpr uint32_t kVersion = 1;

// Reads the file's primitives; no read goes past its end.
class Bytes {
 public:
  explicit Bytes(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T number(const char* what) {
    T value;
    std::memcpy(&value, piece(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  // A count of things that take at least `least_bytes` each: never more than the file can hold.
  uint32_t count(size_t least_bytes, const char* what) {
    const auto value = number<uint32_t>(what);
    if (value > bytes_.size() / least_bytes) {
      throw EngineError("the program claims more than it holds: " + std::string(what) + " " + std::to_string(value));
    }
    return value;
  }
  bool flag(const char* what) {
    const auto value = number<uint8_t>(what);
    if (value > 1) throw EngineError("the program is damaged: " + std::string(what) + " is " + std::to_string(value));
    return value == 1;
  }
  std::string_view text(const char* what) {
    const std::string_view value = piece(number<uint32_t>(what), what);
    if (!valid_utf8(value)) throw EngineError("the program is damaged: " + std::string(what) + " is not UTF-8");
    return value;
  }
  std::string_view piece(size_t size, const char* what) {
    if (size > bytes_.size()) throw EngineError("the program ends too early, in " + std::string(what));
    const std::string_view value = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return value;
  }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

void read_value(Bytes& bytes, const Type& type, ColumnBuilder& builder) {
  if (bytes.flag("a constant")) {
    if (!type.nullable) throw EngineError("a null constant of type `" + type.text() + "`");
    builder.append_null();
    return;
  }
  switch (type.kind) {
    case Kind::Bool:
      return builder.append_bool(bytes.flag("a constant"));
    case Kind::Int32:
    case Kind::Int64:
    case Kind::Timestamp:
    case Kind::Id:
      return builder.append_integer(bytes.number<int64_t>("a constant"));
    case Kind::Float32:
    case Kind::Float64:
      return builder.append_float(bytes.number<double>("a constant"));
    case Kind::String:
      return builder.append_text(bytes.text("a constant"));
    case Kind::List:
    case Kind::Vector:
    case Kind::Map: {
      const uint32_t count = bytes.count(type.kind == Kind::Map ? 2 : 1, "elements of a constant");
      for (uint32_t i = 0; i < count; ++i) {
        if (type.kind == Kind::Map) read_value(bytes, type.children[0], builder.keys());
        read_value(bytes, type.element(), builder.items());
      }
      return builder.end_row();
    }
    case Kind::Nothing:
      throw EngineError("a constant of type `nothing` is not null");
  }
}

bool has_nothing(const Type& type) {
  return type.kind == Kind::Nothing || std::any_of(type.children.begin(), type.children.end(), has_nothing);
}

// How many lists and vectors stand around the innermost type.
int lists_around(const Type& type) { return type.is_listlike() ? 1 + lists_around(type.element()) : 0; }

// Whether a list is read element by element where an element may be null: no kernel does.
bool reads_null_elements(const Shape& wanted, const Type& given) {
  for (size_t i = 0; i < wanted.children.size() && i < given.children.size(); ++i) {
    const Shape& shape = wanted.children[i];
    const Type& type = given.children[i];
    if (shape.base == Shape::Any) continue;
    if (type.nullable || reads_null_elements(shape, type)) return true;
  }
  return false;
}

// `given` with `nothing` replaced by what `wanted` has there; where that is open, int64.
Type fill_nothing(const Type& given, const Shape& wanted) {
  static const Shape kOpen{Shape::Any, {}};
  if (given.kind == Kind::Nothing) {
    switch (wanted.base) {
      case Shape::Bool:
        return {Kind::Bool, true, 0, {}};
      case Shape::F64:
        return {Kind::Float64, true, 0, {}};
      case Shape::Str:
        return {Kind::String, true, 0, {}};
      case Shape::List:
        return {Kind::List, true, 0, {fill_nothing({}, wanted.children[0])}};
      case Shape::Map:
        return {Kind::Map, true, 0, {fill_nothing({}, wanted.children[0]), fill_nothing({}, wanted.children[1])}};
      default:
        return {Kind::Int64, true, 0, {}};
    }
  }
  Type filled = given;
  for (size_t i = 0; i < filled.children.size(); ++i) {
    const bool known = i < wanted.children.size();
    filled.children[i] = fill_nothing(given.children[i], known ? wanted.children[i] : kOpen);
  }
  return filled;
}

}  // namespace

class ProgramReader {
 public:
  ProgramReader(std::string_view file, Program& program) : bytes_(file), program_(program) {}

  void read() {
    if (bytes_.piece(kMagic.size(), "its head") != kMagic) throw EngineError("not a native program: the head is wrong");
    const auto version = bytes_.number<uint32_t>("its version");
    if (version != kVersion) throw EngineError("a program of version " + std::to_string(version) + ", wanted 1");
    read_inputs();
    read_constants();
    read_instructions();
    read_outputs();
    if (!bytes_.at_end()) throw EngineError("the program goes on after its end");
  }

 private:
  void read_inputs() {
    const uint32_t count = bytes_.count(8, "inputs");
    std::unordered_set<std::string_view> names;
    for (uint32_t i = 0; i < count; ++i) {
      const std::string_view name = bytes_.text("an input");
      if (!names.insert(name).second) throw EngineError("two inputs are named `" + std::string(name) + "`");
      const Type type = Type::parse(bytes_.text("an input's type"));
      if (has_nothing(type)) throw EngineError("the input `" + std::string(name) + "` has type `" + type.text() + "`");
      program_.inputs_.push_back({std::string(name), type});
      types_.push_back(type);
    }
  }

  void read_constants() {
    const uint32_t count = bytes_.count(5, "constants");
    for (uint32_t i = 0; i < count; ++i) {
      const Type type = Type::parse(bytes_.text("a constant's type"));
      ColumnBuilder builder(type.held(), *program_.memory_);
      read_value(bytes_, type, builder);
      program_.constants_.push_back({type, builder.finish()});
    }
    given_constants_ = count;
  }

  void read_instructions() {
    const uint32_t count = bytes_.count(17, "instructions");
    program_.instructions_.reserve(count);
    types_.reserve(types_.size() + count);
    for (uint32_t i = 0; i < count; ++i) {
      Instruction instruction;
      instruction.op = bytes_.text("an operator");
      try {
        read_instruction(instruction);
      } catch (const EngineError& error) {
        throw EngineError("instruction " + std::to_string(i) + ", `" + instruction.op.substr(0, 80) +
                          "`: " + error.what());
      }
      types_.push_back(instruction.result);
      program_.instructions_.push_back(std::move(instruction));
    }
  }

  void read_instruction(Instruction& instruction) {
    instruction.result = Type::parse(bytes_.text("a result type"));
    if (has_nothing(instruction.result)) throw EngineError("the result has type `" + instruction.result.text() + "`");
    const auto flags = bytes_.number<uint8_t>("flags");
    if (flags > 3) throw EngineError("the program is damaged: unknown flags " + std::to_string(flags));
    instruction.drops_null = (flags & 2) != 0;
    const uint32_t operands = bytes_.count(6, "arguments");
    for (uint32_t a = 0; a < operands; ++a) {
      Operand operand = read_operand();
      operand.mapped = bytes_.number<uint8_t>("an argument");
      instruction.mapped = std::max(instruction.mapped, operand.mapped);
      if (lists_around(type_of(operand)) < operand.mapped) {
        throw EngineError("mapped over argument " + std::to_string(a) + ", a `" + type_of(operand).text() + "`");
      }
      instruction.operands.push_back(operand);
    }
    if (((flags & 1) != 0) != (instruction.mapped > 0)) {
      throw EngineError("its arguments do not say that it is mapped, or do");
    }
    if (lists_around(instruction.result) < instruction.mapped) {
      throw EngineError("it is mapped, but its result is a `" + instruction.result.text() + "`");
    }
    find_kernel(instruction);
    read_attributes(instruction);
  }

  Operand read_operand() {
    Operand operand;
    operand.constant = bytes_.flag("an argument");
    operand.index = bytes_.number<uint32_t>("an argument");
    const size_t known = operand.constant ? given_constants_ : types_.size();
    if (operand.index >= known) {
      throw EngineError(std::string(operand.constant ? "constant " : "register ") + std::to_string(operand.index) +
                        " is not there, of " + std::to_string(known));
    }
    return operand;
  }

  const Type& type_of(const Operand& operand) const {
    return operand.constant ? program_.constants_[operand.index].type : types_[operand.index];
  }

  void find_kernel(Instruction& instruction) {
    std::vector<Shape> shapes;
    for (const Operand& operand : instruction.operands) {
      const Type& type = type_of(operand);
      shapes.push_back(Shape::of(type.inside(operand.mapped)));
    }
    const Type& result = instruction.result.inside(instruction.mapped);
    const auto [kernel, bound] = Registry::all().find(instruction.op, shapes, Shape::of(result));
    instruction.kernel = kernel;
    for (size_t a = 0; a < instruction.operands.size(); ++a) {
      Operand& operand = instruction.operands[a];
      const Type& type = type_of(operand);
      const Shape& wanted = kernel->parameter(a).shape;
      if (reads_null_elements(wanted, type.inside(operand.mapped))) {
        throw EngineError("argument " + std::to_string(a) + " has elements that may be null: `" + type.text() + "`");
      }
      if (has_nothing(type)) {
        const bool list = kernel->parameter(a).or_list && type.is_listlike() && !operand.mapped;
        operand.index = filled_constant(operand, list ? Shape{Shape::List, {wanted}} : wanted.with(bound));
      }
    }
  }

  // The index of the constant with its `nothing` made what the kernel wants.
  uint32_t filled_constant(const Operand& operand, const Shape& wanted) {
    const Program::Constant given = program_.constants_[operand.index];
    Shape whole = wanted;
    for (int depth = 0; depth < operand.mapped; ++depth) whole = Shape{Shape::List, {whole}};
    Type type = fill_nothing(given.type, whole);
    const Column column = retype_nothing(given.column, given.type, type, *program_.memory_);
    program_.constants_.push_back({std::move(type), column});
    return static_cast<uint32_t>(program_.constants_.size() - 1);
  }

  void read_attributes(Instruction& instruction) {
    const uint32_t count = bytes_.count(8, "attributes");
    std::vector<Attributes::Entry> entries;
    std::unordered_set<std::string_view> names;
    for (uint32_t i = 0; i < count; ++i) {
      const std::string_view name = bytes_.text("an attribute");
      const auto index = bytes_.number<uint32_t>("an attribute");
      if (!names.insert(name).second) throw EngineError("two attributes are named `" + std::string(name) + "`");
      if (index >= given_constants_) throw EngineError("constant " + std::to_string(index) + " is not there");
      const Program::Constant& constant = program_.constants_[index];
      entries.push_back({name, &constant.type, &constant.column});
    }
    const Type& result = instruction.result.inside(instruction.mapped);
    if (instruction.kernel->prepare) instruction.state = instruction.kernel->prepare(Attributes(entries, result));
  }

  void read_outputs() {
    const uint32_t count = bytes_.count(14, "outputs");
    std::unordered_set<std::string_view> names;
    std::vector<NamedType> declared;
    for (uint32_t i = 0; i < count; ++i) {
      const std::string_view name = bytes_.text("an output");
      if (!names.insert(name).second) throw EngineError("two outputs are named `" + std::string(name) + "`");
      const Type type = Type::parse(bytes_.text("an output's type"));
      Program::Output output;
      output.from = read_operand();
      output.finite = bytes_.flag("an output");
      check_output(name, type, type_of(output.from));
      const size_t inputs = program_.inputs_.size();
      if (!output.from.constant && output.from.index >= inputs && !type.is_narrow()) {
        program_.instructions_[output.from.index - inputs].is_output = true;
      }
      program_.outputs_.push_back(output);
      declared.push_back({std::string(name), type});
    }
    program_.form_ = std::make_shared<const Form>(std::move(declared));
  }

  static void check_output(std::string_view name, const Type& type, const Type& held) {
    const bool same_vector = type.kind != Kind::Vector || held.kind == Kind::Vector || held.kind == Kind::List;
    if (has_nothing(type) || has_nothing(held) || Shape::of(type) != Shape::of(held) || !same_vector) {
      throw EngineError("the output `" + std::string(name) + "` of type `" + type.text() + "` is made from a `" +
                        held.text() + "`");
    }
  }

  Bytes bytes_;
  Program& program_;
  std::vector<Type> types_;  // of the registers so far
  size_t given_constants_ = 0;
};

namespace {

// By argument of an instruction: whether it is taken as it is stored.
std::vector<bool> taken_as_stored(const Instruction& instruction) {
  std::vector<bool> as_stored(instruction.operands.size());
  if (instruction.kernel != &Registry::all().found_list().all) return as_stored;
  for (const FoundList::Part& part : static_cast<const FoundList*>(instruction.state.get())->parts) {
    if (part.kernel != nullptr) as_stored[part.first_argument] = true;
  }
  return as_stored;
}

}  // namespace

// A vector that is null takes its room, so constants can be larger than the file, but not by much.
Program::Program(std::string_view file) : memory_(std::make_unique<Arena>((size_t{64} << 20) + 32 * file.size())) {
  simd();  // a wrong choice is told now, not in the first call
  ProgramReader(file, *this).read();
  fuse(instructions_, constants_, outputs_, *form_, inputs_.size());
  is_read_.resize(inputs_.size());
  is_held_.resize(inputs_.size());
  const auto is_input = [&](const Operand& operand) { return !operand.constant && operand.index < inputs_.size(); };
  for (const Instruction& instruction : instructions_) {
    if (instruction.fused) continue;
    const std::vector<bool> as_stored = taken_as_stored(instruction);
    for (size_t a = 0; a < instruction.operands.size(); ++a) {
      const Operand& operand = instruction.operands[a];
      if (!is_input(operand)) continue;
      is_read_[operand.index] = true;
      if (!as_stored[a]) is_held_[operand.index] = true;
    }
  }
  for (const Output& output : outputs_) {
    if (is_input(output.from)) is_held_[output.from.index] = true;
  }
}

}  // namespace feat

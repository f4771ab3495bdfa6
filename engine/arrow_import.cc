#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "engine/arrow.h"

namespace feat {

void ArrowColumn::fail(const std::string& what) const { throw EngineError("column `" + name + "`: " + what); }

ArrowColumn ArrowColumn::of(const ArrowSchema& schema, const ArrowArray& array, std::string name) {
  ArrowColumn column{&schema, &array, array.offset, array.length, std::move(name)};
  if (schema.release == nullptr || array.release == nullptr) column.fail("the Arrow array was released before");
  if (schema.format == nullptr) column.fail("the Arrow schema has no format");
  if (array.length < 0 || array.offset < 0 || array.length > INT32_MAX || array.offset > INT64_MAX - array.length) {
    column.fail("the Arrow array has an impossible length or offset: " + std::to_string(array.length) + ", " +
                std::to_string(array.offset));
  }
  if (array.null_count < -1 || array.null_count > array.length) {
    column.fail("the Arrow array has an impossible null count: " + std::to_string(array.null_count));
  }
  if (schema.n_children != array.n_children || schema.n_children < 0) {
    column.fail("the Arrow array has not the children of its schema");
  }
  if (schema.n_children > 0 && (schema.children == nullptr || array.children == nullptr)) {
    column.fail("the Arrow array has no children");
  }
  if (column.format() == "n") return column;
  if (array.n_buffers < 1 || array.buffers == nullptr) column.fail("the Arrow array has no buffers");
  if (array.null_count > 0 && array.buffers[0] == nullptr) column.fail("the Arrow array has nulls but no bitmap");
  return column;
}

ArrowColumn ArrowColumn::child(int64_t index, int64_t child_offset, int64_t child_length) const {
  if (index >= schema->n_children || schema->children[index] == nullptr || array->children[index] == nullptr) {
    fail("the Arrow array lacks a child");
  }
  const ArrowSchema& child_schema = *schema->children[index];
  const char* child_name = child_schema.name ? child_schema.name : "";
  ArrowColumn column = of(child_schema, *array->children[index], name + "." + child_name);
  if (child_offset < 0 || child_length < 0 || child_offset > column.length - child_length) {
    column.fail("the Arrow array is shorter than its parent needs");
  }
  column.offset += child_offset;
  column.length = child_length;
  return column;
}

const void* ArrowColumn::buffer(int64_t index) const {
  if (index >= array->n_buffers) fail("the Arrow array has too few buffers");
  const void* found = array->buffers[index];
  if (found == nullptr && length > 0) fail("a buffer of the Arrow array is null");
  return found;
}

namespace {

class Importer {
 public:
  Importer(const ArrowColumn& source, const Type& type, Arena& arena)
      : source_(source), type_(type), arena_(arena), length_(source.length) {
    column_.layout = stored_layout(type);
    column_.width = type.size;
    column_.length = length_;
  }

  Column import() {
    if (source_.format() == "n") return all_null();
    if (source_.schema->dictionary != nullptr) return import_dictionary();
    read_valid();
    switch (type_.kind) {
      case Kind::Bool:
        import_bools();
        break;
      case Kind::Int32:
      case Kind::Int64:
      case Kind::Id:
        import_numbers();
        break;
      case Kind::Float32:
      case Kind::Float64:
        import_numbers();
        break;
      case Kind::Timestamp:
        import_timestamps();
        break;
      case Kind::String:
        import_text();
        break;
      case Kind::List:
      case Kind::Vector:
      case Kind::Map:
        import_nested();
        break;
      case Kind::Nothing:
        wrong_type();
    }
    return column_;
  }

 private:
  [[noreturn]] void wrong_type() const {
    source_.fail("wanted `" + type_.text() + "`, the Arrow format is `" + std::string(source_.format()) + "`");
  }

  Column all_null() {
    if (!type_.nullable && length_ > 0) source_.fail("null in row 0, wanted `" + type_.text() + "`");
    ColumnBuilder builder(type_, arena_);
    for (int64_t i = 0; i < length_; ++i) builder.append_null();
    return builder.finish();
  }

  void read_valid() {
    if (source_.array->buffers[0] == nullptr) return;
    auto* valid = arena_.take<uint8_t>(length_);
    bool all = true;
    for (int64_t i = 0; i < length_; ++i) {
      valid[i] = source_.is_valid(i);
      all &= valid[i] != 0;
      if (!valid[i] && !type_.nullable) {
        source_.fail("null in row " + std::to_string(i) + ", wanted `" + type_.text() + "`");
      }
    }
    if (!all) column_.valid = valid;
  }

  void import_bools() {
    if (source_.format() != "b") wrong_type();
    const auto* bits = static_cast<const uint8_t*>(source_.buffer(1));
    auto* values = arena_.take<uint8_t>(length_);
    for (int64_t i = 0; i < length_; ++i) {
      const int64_t at = source_.offset + i;
      values[i] = column_.is_valid(i) && ((bits[at >> 3] >> (at & 7)) & 1);
    }
    column_.data = values;
  }

  template <class From, class To>
  void convert(To (*change)(From, const Importer&) = [](From value, const Importer&) {
    return static_cast<To>(value);
  }) {
    const auto* from = static_cast<const From*>(source_.buffer(1));
    To* values = arena_.take<To>(length_);
    for (int64_t i = 0; i < length_; ++i)
      values[i] = column_.is_valid(i) ? change(from[source_.offset + i], *this) : To{};
    column_.data = values;
  }

  // From the narrower integers and floats to the layout.
  template <class To>
  bool convert_number(char format) {
    constexpr bool real = std::is_floating_point_v<To>;
    switch (format) {
      case 'f':
        if constexpr (real) return convert<float, To>(), true;
        return false;
      case 'g':
        if constexpr (std::is_same_v<To, double>) return convert<double, To>(), true;
        return false;
      case 'l':
        if constexpr (sizeof(To) == 8) return convert<int64_t, To>(), true;
        return false;
      case 'I':
        if constexpr (sizeof(To) == 8) return convert<uint32_t, To>(), true;
        return false;
      case 'i':
        if constexpr (!std::is_same_v<To, float>) return convert<int32_t, To>(), true;
        return false;
      case 's':
        return convert<int16_t, To>(), true;
      case 'S':
        return convert<uint16_t, To>(), true;
      case 'c':
        return convert<int8_t, To>(), true;
      case 'C':
        return convert<uint8_t, To>(), true;
      default:
        return false;
    }
  }

  void import_numbers() {
    const std::string_view format = source_.format();
    if (format.size() != 1) wrong_type();
    bool done = false;
    switch (column_.layout) {
      case Layout::I32:
        done = convert_number<int32_t>(format[0]);
        break;
      case Layout::F32:
        done = convert_number<float>(format[0]);
        break;
      case Layout::F64:
        done = convert_number<double>(format[0]);
        break;
      default:
        done = convert_number<int64_t>(format[0]);
    }
    if (!done) wrong_type();
  }

  template <int64_t factor>
  static int64_t scaled(int64_t value, const Importer& self) {
    int64_t micros = 0;
    if (__builtin_mul_overflow(value, factor, &micros)) {
      self.source_.fail("a timestamp past the range of microseconds: " + std::to_string(value));
    }
    return micros;
  }

  void import_timestamps() {
    const std::string_view format = source_.format();
    if (format == "l" || format.starts_with("tsu:")) return convert<int64_t, int64_t>();
    if (format.starts_with("tss:")) return convert<int64_t, int64_t>(scaled<1'000'000>);
    if (format.starts_with("tsm:")) return convert<int64_t, int64_t>(scaled<1'000>);
    if (!format.starts_with("tsn:")) wrong_type();
    convert<int64_t, int64_t>([](int64_t value, const Importer&) { return value / 1000 - (value % 1000 < 0 ? 1 : 0); });
  }

  // The rows' extents as the source has them: [length + 1] from the window's first row on.
  template <class Offset>
  const Offset* checked_extents() {
    const auto* offsets = static_cast<const Offset*>(source_.buffer(1));
    if (length_ == 0) return nullptr;
    offsets += source_.offset;
    if (offsets[0] < 0) source_.fail("the Arrow array has a negative offset");
    for (int64_t i = 0; i < length_; ++i) {
      if (offsets[i + 1] < offsets[i]) source_.fail("the offsets of the Arrow array descend, row " + std::to_string(i));
    }
    return offsets;
  }

  template <class Offset>
  void copy_text() {
    const Offset* from = checked_extents<Offset>();
    auto* offsets = arena_.take<int32_t>(length_ + 1);
    offsets[0] = 0;
    for (int64_t i = 0; i < length_; ++i) {
      offsets[i + 1] = checked_offset(offsets[i] + (column_.is_valid(i) ? int64_t{from[i + 1]} - from[i] : 0));
    }
    if (source_.array->n_buffers < 3) source_.fail("the Arrow array has too few buffers");
    const auto* source = static_cast<const char*>(source_.array->buffers[2]);
    if (source == nullptr && offsets[length_] > 0) source_.fail("a buffer of the Arrow array is null");
    char* bytes = arena_.take<char>(offsets[length_]);
    for (int64_t i = 0; i < length_; ++i) {
      const auto size = static_cast<size_t>(offsets[i + 1] - offsets[i]);
      if (size == 0) continue;
      std::memcpy(bytes + offsets[i], source + from[i], size);
      if (!valid_utf8({bytes + offsets[i], size})) source_.fail("invalid UTF-8 in row " + std::to_string(i));
    }
    column_.offsets = offsets;
    column_.data = bytes;
  }

  void import_text() {
    if (source_.format() == "u") return copy_text<int32_t>();
    if (source_.format() == "U") return copy_text<int64_t>();
    wrong_type();
  }

  void import_nested() {
    const std::string_view format = source_.format();
    const bool map = type_.kind == Kind::Map;
    if (map ? format != "+m" : format != "+l" && format != "+L" && !format.starts_with("+w:")) wrong_type();
    // starts[i] .. starts[i] + sizes[i] are the elements of row i in the child.
    auto* starts = arena_.take<int64_t>(length_);
    auto* offsets = arena_.take<int32_t>(length_ + 1);
    offsets[0] = 0;
    if (format.starts_with("+w:")) {
      fixed_extents(format.substr(3), starts, offsets);
    } else if (format == "+L") {
      free_extents<int64_t>(starts, offsets);
    } else {
      free_extents<int32_t>(starts, offsets);
    }
    auto* child = arena_.take<Column>(map ? 2 : 1);
    const int64_t first = length_ > 0 ? starts[0] : 0;
    if (map) {
      const ArrowColumn entries = source_.child(0, first, last_ - first);
      if (entries.format() != "+s" || entries.schema->n_children != 2) wrong_type();
      for (int k = 0; k < 2; ++k) {
        const Type& part = type_.children[static_cast<size_t>(k)];
        child[k] = elements(entries.child(k, entries.offset, entries.length), part, starts, offsets);
      }
    } else {
      child[0] = elements(source_.child(0, first, last_ - first), type_.element(), starts, offsets);
    }
    column_.child = child;
    if (type_.kind == Kind::Vector) {
      check_vector(offsets);
    } else {
      column_.offsets = offsets;
    }
  }

  template <class Offset>
  void free_extents(int64_t* starts, int32_t* offsets) {
    const Offset* from = checked_extents<Offset>();
    for (int64_t i = 0; i < length_; ++i) {
      starts[i] = from[i];
      offsets[i + 1] = checked_offset(offsets[i] + (column_.is_valid(i) ? int64_t{from[i + 1]} - from[i] : 0));
    }
    last_ = length_ > 0 ? int64_t{from[length_]} : 0;
  }

  void fixed_extents(std::string_view digits, int64_t* starts, int32_t* offsets) {
    int32_t width = -1;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), width);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || width < 0) wrong_type();
    if (type_.kind == Kind::Vector && width != type_.size) wrong_type();
    const bool keep_null = type_.kind == Kind::Vector;
    if (source_.offset > (INT64_MAX - 1) / (int64_t{width} + 1) - length_) source_.fail("an impossible offset");
    for (int64_t i = 0; i < length_; ++i) {
      starts[i] = (source_.offset + i) * width;
      offsets[i + 1] = checked_offset(offsets[i] + (keep_null || column_.is_valid(i) ? width : 0));
    }
    last_ = (source_.offset + length_) * width;
  }

  // The elements of all rows one after the other, without those that null rows hide.
  Column elements(const ArrowColumn& source, const Type& type, const int64_t* starts, const int32_t* offsets) {
    const bool hidden = offsets[length_] != source.length;
    const bool null_vector = type_.kind == Kind::Vector && column_.valid != nullptr;
    Type lenient = type;
    lenient.nullable |= hidden || null_vector;  // what null rows hide may be null
    Column all = import_column(source, lenient, arena_);
    if (hidden || null_vector) {
      auto* picked = arena_.take<int32_t>(offsets[length_]);
      for (int64_t i = 0; i < length_; ++i) {
        for (int32_t k = offsets[i]; k < offsets[i + 1]; ++k) {
          picked[k] = column_.is_valid(i) ? static_cast<int32_t>(starts[i] - starts[0] + k - offsets[i]) : kDefaultRow;
        }
      }
      all = gather(all, picked, offsets[length_], arena_);
    }
    if (!type.nullable && all.valid != nullptr) {
      source.fail("a null element, wanted `" + type_.text() + "`");
    }
    return all;
  }

  void check_vector(const int32_t* offsets) {
    const bool even = offsets[length_] == length_ * type_.size;
    for (int64_t i = 0; i < length_; ++i) {
      const int32_t size = offsets[i + 1] - offsets[i];
      if (size != type_.size && (column_.is_valid(i) || even)) {
        source_.fail("row " + std::to_string(i) + " has " + std::to_string(size) + " elements, wanted `" +
                     type_.text() + "`");
      }
    }
    if (even) return;
    // Null rows of a list are empty; in a vector they take their room.
    auto* picked = arena_.take<int32_t>(checked_offset(length_ * type_.size));
    for (int64_t i = 0; i < length_; ++i) {
      for (int32_t k = 0; k < type_.size; ++k) {
        picked[i * type_.size + k] = column_.is_valid(i) ? offsets[i] + k : kDefaultRow;
      }
    }
    auto* child = arena_.take<Column>(1);
    *child = gather(*column_.child, picked, length_ * type_.size, arena_);
    column_.child = child;
  }

  Column import_dictionary() {
    const ArrowArray* dictionary = source_.array->dictionary;
    if (dictionary == nullptr) source_.fail("the Arrow array lacks its dictionary");
    if (source_.schema->dictionary->dictionary != nullptr) source_.fail("a dictionary of a dictionary");
    ArrowSchema index_schema = *source_.schema;
    index_schema.dictionary = nullptr;
    ArrowColumn index_source = source_;
    index_source.schema = &index_schema;
    const Column index = import_column(index_source, Type{Kind::Int64, type_.nullable, 0, {}}, arena_);
    Type value_type = type_;
    value_type.nullable = true;
    const Column values =
        import_column(ArrowColumn::of(*source_.schema->dictionary, *dictionary, source_.name), value_type, arena_);
    auto* rows = arena_.take<int32_t>(length_);
    for (int64_t i = 0; i < length_; ++i) {
      const int64_t at = index.as<int64_t>()[i];
      if (index.is_valid(i) && (at < 0 || at >= values.length))
        source_.fail("an index past its dictionary: " + std::to_string(at));
      rows[i] = index.is_valid(i) ? static_cast<int32_t>(at) : kNullRow;
    }
    const Column out = gather(values, rows, length_, arena_);
    if (out.valid != nullptr && !type_.nullable) source_.fail("a null, wanted `" + type_.text() + "`");
    return out;
  }

  const ArrowColumn& source_;
  const Type& type_;
  Arena& arena_;
  const int64_t length_;
  Column column_;
  int64_t last_ = 0;  // where the elements of the last row end, in the child
};

// What a row takes, where texts are short and lists too.
size_t usual_bytes(const Type& type) {
  constexpr size_t kTextBytes = 16, kElements = 4, kExtent = 12;
  size_t inside = 0;
  for (const Type& child : type.children) inside += usual_bytes(child);
  if (type.kind == Kind::Vector) return kExtent + static_cast<size_t>(type.size) * inside;
  if (!type.children.empty()) return kExtent + kElements * inside;
  return type.kind == Kind::String ? sizeof(int32_t) + kTextBytes : sizeof(int64_t);
}

}  // namespace

Column import_column(const ArrowColumn& source, const Type& type, Arena& arena) {
  return Importer(source, type, arena).import();
}

Batch import_batch(const ArrowSchema& schema, const ArrowArray& array,
                   std::span<const std::pair<std::string, Type>> types) {
  const ArrowColumn rows = ArrowColumn::of(schema, array, "record batch");
  if (rows.format() != "+s") rows.fail("not a record batch, the Arrow format is `" + std::string(rows.format()) + "`");
  for (int64_t i = 0; i < rows.length && array.buffers[0] != nullptr; ++i) {
    if (!rows.is_valid(i)) rows.fail("row " + std::to_string(i) + " as a whole is null");
  }
  // A block for all: many small ones lie on many pages, which each call would look for.
  auto memory = batch_memory();
  size_t row_bytes = 0;
  for (const auto& [name, type] : types) row_bytes += usual_bytes(type);
  memory->expect(static_cast<size_t>(rows.length) * row_bytes);
  std::vector<Batch::Field> fields;
  for (const auto& [name, type] : types) {
    int64_t index = -1;
    for (int64_t k = 0; k < schema.n_children; ++k) {
      const char* given = schema.children[k] ? schema.children[k]->name : nullptr;
      if (given == nullptr || name != given) continue;
      if (index >= 0) throw EngineError("two columns of the record batch are named `" + name + "`");
      index = k;
    }
    if (index < 0) throw EngineError("no column `" + name + "` in the record batch");
    ArrowColumn source = rows.child(index, rows.offset, rows.length);
    source.name = name;
    fields.push_back({name, type, import_column(source, type, *memory), memory});
  }
  return {rows.length, std::move(fields)};
}

}  // namespace feat

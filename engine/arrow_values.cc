#include "engine/arrow_values.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>

namespace feat {

namespace {

constexpr int kDeepest = 32;
constexpr int64_t kMicrosecondsPerDay = 86'400'000'000;

class Nulls final : public Values {
 public:
  Nulls(const ArrowArray& array, Sink& sink) : Values(array, sink) { always_null_ = true; }

 protected:
  void value(int64_t) override {}
};

class Booleans final : public Values {
 public:
  Booleans(const ArrowArray& array, Sink& sink) : Values(array, sink), bits_(buffer<uint8_t>(1)) {}

 protected:
  void value(int64_t at) override { sink_.boolean((bits_[at >> 3] >> (at & 7) & 1) != 0); }

 private:
  const uint8_t* bits_;
};

template <class T>
class Integers final : public Values {
 public:
  Integers(const ArrowArray& array, Sink& sink) : Values(array, sink), data_(buffer<T>(1)) {}

 protected:
  void value(int64_t at) override {
    if constexpr (std::is_same_v<T, uint64_t>) {
      if (data_[at] > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        if (sink_.takes(Given::Number)) return sink_.number(static_cast<double>(data_[at]));
        throw BadValue("`" + sink_.name() + "` does not fit " + sink_.declared() + ": " + std::to_string(data_[at]));
      }
    }
    sink_.integer(static_cast<int64_t>(data_[at]));
  }

 private:
  const T* data_;
};

template <class T>
class Numbers final : public Values {
 public:
  Numbers(const ArrowArray& array, Sink& sink) : Values(array, sink), data_(buffer<T>(1)) {}

 protected:
  void value(int64_t at) override { sink_.number(static_cast<double>(data_[at])); }

 private:
  const T* data_;
};

class Halves final : public Values {
 public:
  Halves(const ArrowArray& array, Sink& sink) : Values(array, sink), data_(buffer<uint16_t>(1)) {}

 protected:
  void value(int64_t at) override {
    const int exponent = data_[at] >> 10 & 31, fraction = data_[at] & 1023;
    double value = exponent == 0    ? std::ldexp(fraction, -24)
                   : exponent == 31 ? (fraction == 0 ? HUGE_VAL : std::nan(""))
                                    : std::ldexp(fraction + 1024, exponent - 25);
    sink_.number(data_[at] >> 15 ? -value : value);
  }

 private:
  const uint16_t* data_;
};

// Timestamps and dates, as microseconds.
template <class T>
class Times final : public Values {
 public:
  Times(const ArrowArray& array, Sink& sink, int64_t factor, int64_t divisor)
      : Values(array, sink), data_(buffer<T>(1)), factor_(factor), divisor_(divisor) {}

 protected:
  void value(int64_t at) override {
    int64_t count = data_[at];
    if (__builtin_mul_overflow(count, factor_, &count)) {
      throw BadValue("`" + sink_.name() + "` does not fit 64 bits of microseconds");
    }
    sink_.integer(count / divisor_ - (count % divisor_ < 0 ? 1 : 0));
  }

 private:
  const T* data_;
  int64_t factor_, divisor_;
};

// Strings and binaries with offsets.
template <class Offset>
class Texts final : public Values {
 public:
  Texts(const ArrowArray& array, Sink& sink)
      : Values(array, sink),
        offsets_(buffer<Offset>(1)),
        bytes_(static_cast<const char*>(array.n_buffers > 2 ? array.buffers[2] : nullptr)) {
    if (array.length > 0 && offsets_ != nullptr) {
      first_ = offsets_[array.offset];
      last_ = offsets_[array.offset + array.length];
      if (first_ < 0 || last_ < first_) broken("its offsets do not ascend");
      if (last_ > first_ && bytes_ == nullptr) broken("a buffer is missing");
    }
  }

 protected:
  void value(int64_t at) override {
    const Offset start = offsets_[at], end = offsets_[at + 1];
    if (start < first_ || end < start || end > last_) broken("its offsets do not ascend");
    sink_.text(start == end ? std::string_view() : std::string_view(bytes_ + start, static_cast<size_t>(end - start)));
  }

 private:
  const Offset* offsets_;
  const char* bytes_;
  Offset first_ = 0, last_ = 0;
};

// String and binary views: 16 bytes a value, inline up to 12 bytes, else in one of several buffers.
class TextViews final : public Values {
 public:
  TextViews(const ArrowArray& array, Sink& sink)
      : Values(array, sink), views_(buffer<View>(1)), data_count_(array.n_buffers - 3) {
    if (data_count_ < 0) broken("a buffer is missing");
    sizes_ = static_cast<const int64_t*>(array.buffers[array.n_buffers - 1]);
    if (data_count_ > 0 && sizes_ == nullptr) broken("a buffer is missing");
  }

 protected:
  void value(int64_t at) override {
    const View& view = views_[at];
    if (view.length < 0) broken("a length is negative");
    const auto length = static_cast<size_t>(view.length);
    if (length <= sizeof view.inlined) return sink_.text({view.inlined, length});
    int32_t index, offset;
    std::memcpy(&index, view.inlined + 4, 4);
    std::memcpy(&offset, view.inlined + 8, 4);
    if (index < 0 || index >= data_count_ || offset < 0 || sizes_[index] - offset < view.length) {
      broken("a view lies outside of its buffer");
    }
    sink_.text({static_cast<const char*>(array_.buffers[2 + index]) + offset, length});
  }

 private:
  struct View {
    int32_t length;
    char inlined[12];
  };
  const View* views_;
  int64_t data_count_;
  const int64_t* sizes_;
};

template <class Index>
class Dictionary final : public Values {
 public:
  Dictionary(const ArrowArray& array, Sink& sink, std::unique_ptr<Values> values)
      : Values(array, sink), indices_(buffer<Index>(1)), values_(std::move(values)) {}

 protected:
  void value(int64_t at) override {
    const Index index = indices_[at];
    if constexpr (std::is_signed_v<Index>) {
      if (index < 0) broken("an index is outside of its dictionary");
    }
    if (static_cast<uint64_t>(index) >= static_cast<uint64_t>(values_->length())) {
      broken("an index is outside of its dictionary");
    }
    values_->emit(static_cast<int64_t>(index));
  }

 private:
  const Index* indices_;
  std::unique_ptr<Values> values_;
};

template <class Offset>
class OffsetLists final : public Lists {
 public:
  OffsetLists(const ArrowArray& array, Sink& sink, std::unique_ptr<Values> items)
      : Lists(array, sink, std::move(items)), offsets_(buffer<Offset>(1)) {}

 protected:
  Range stored_range(int64_t at) const override { return {offsets_[at], offsets_[at + 1]}; }

 private:
  const Offset* offsets_;
};

template <class Offset>
class ViewLists final : public Lists {
 public:
  ViewLists(const ArrowArray& array, Sink& sink, std::unique_ptr<Values> items)
      : Lists(array, sink, std::move(items)), offsets_(buffer<Offset>(1)), sizes_(buffer<Offset>(2)) {}

 protected:
  Range stored_range(int64_t at) const override {
    int64_t end;
    if (__builtin_add_overflow(static_cast<int64_t>(offsets_[at]), static_cast<int64_t>(sizes_[at]), &end)) end = -1;
    return {offsets_[at], end};
  }

 private:
  const Offset* offsets_;
  const Offset* sizes_;
};

class FixedLists final : public Lists {
 public:
  FixedLists(const ArrowArray& array, Sink& sink, std::unique_ptr<Values> items, int64_t width)
      : Lists(array, sink, std::move(items)), width_(width) {}

 protected:
  Range stored_range(int64_t at) const override {
    int64_t start, end;
    if (__builtin_mul_overflow(at, width_, &start) || __builtin_add_overflow(start, width_, &end)) return {0, -1};
    return {start, end};
  }

 private:
  int64_t width_;
};

[[noreturn]] void mismatch(const Sink& sink, std::string_view format) {
  throw EngineError("`" + sink.name() + "` is declared " + sink.declared() + ", the column holds " + shown(format));
}

std::unique_ptr<Values> make_dictionary(const ArrowSchema& schema, const ArrowArray& array, Sink& sink, int depth) {
  if (array.dictionary == nullptr) throw EngineError("the array for `" + sink.name() + "` is broken: no dictionary");
  auto values = make_values(*schema.dictionary, *array.dictionary, sink, depth + 1);
  switch (schema.format[0]) {
    case 'c':
      return std::make_unique<Dictionary<int8_t>>(array, sink, std::move(values));
    case 'C':
      return std::make_unique<Dictionary<uint8_t>>(array, sink, std::move(values));
    case 's':
      return std::make_unique<Dictionary<int16_t>>(array, sink, std::move(values));
    case 'S':
      return std::make_unique<Dictionary<uint16_t>>(array, sink, std::move(values));
    case 'i':
      return std::make_unique<Dictionary<int32_t>>(array, sink, std::move(values));
    case 'I':
      return std::make_unique<Dictionary<uint32_t>>(array, sink, std::move(values));
    case 'l':
      return std::make_unique<Dictionary<int64_t>>(array, sink, std::move(values));
    case 'L':
      return std::make_unique<Dictionary<uint64_t>>(array, sink, std::move(values));
    default:
      mismatch(sink, schema.format);
  }
}

std::unique_ptr<Values> make_times(std::string_view format, const ArrowArray& array, Sink& sink) {
  if (format == "tdD") return std::make_unique<Times<int32_t>>(array, sink, kMicrosecondsPerDay, 1);
  if (format == "tdm") return std::make_unique<Times<int64_t>>(array, sink, 1'000, 1);
  switch (format[2]) {
    case 's':
      return std::make_unique<Times<int64_t>>(array, sink, 1'000'000, 1);
    case 'm':
      return std::make_unique<Times<int64_t>>(array, sink, 1'000, 1);
    case 'u':
      return std::make_unique<Times<int64_t>>(array, sink, 1, 1);
    case 'n':
      return std::make_unique<Times<int64_t>>(array, sink, 1, 1'000);
    default:
      mismatch(sink, format);
  }
}

std::unique_ptr<Values> make_scalars(std::string_view format, const ArrowArray& array, Sink& sink) {
  if (format == "u" || format == "z") return std::make_unique<Texts<int32_t>>(array, sink);
  if (format == "U" || format == "Z") return std::make_unique<Texts<int64_t>>(array, sink);
  if (format == "vu" || format == "vz") return std::make_unique<TextViews>(array, sink);
  switch (format[0]) {
    case 'b':
      return std::make_unique<Booleans>(array, sink);
    case 'c':
      return std::make_unique<Integers<int8_t>>(array, sink);
    case 'C':
      return std::make_unique<Integers<uint8_t>>(array, sink);
    case 's':
      return std::make_unique<Integers<int16_t>>(array, sink);
    case 'S':
      return std::make_unique<Integers<uint16_t>>(array, sink);
    case 'i':
      return std::make_unique<Integers<int32_t>>(array, sink);
    case 'I':
      return std::make_unique<Integers<uint32_t>>(array, sink);
    case 'l':
      return std::make_unique<Integers<int64_t>>(array, sink);
    case 'L':
      return std::make_unique<Integers<uint64_t>>(array, sink);
    case 'e':
      return std::make_unique<Halves>(array, sink);
    case 'f':
      return std::make_unique<Numbers<float>>(array, sink);
    case 'g':
      return std::make_unique<Numbers<double>>(array, sink);
    default:
      mismatch(sink, format);
  }
}

// What an Arrow type gives, nullopt for a type that nothing takes.
std::optional<Given> given(std::string_view format) {
  if (format == "b") return Given::Boolean;
  if (format.size() == 1 && std::strchr("cCsSiIlL", format[0]) != nullptr) return Given::Integer;
  if (format == "e" || format == "f" || format == "g") return Given::Number;
  if (format == "u" || format == "U" || format == "vu" || format == "z" || format == "Z" || format == "vz")
    return Given::Text;
  if (format.starts_with("ts") && format.size() >= 3) return Given::Time;
  if (format == "tdD" || format == "tdm") return Given::Time;
  if (format == "+m") return Given::Map;
  if (format == "+s") return Given::Struct;
  if (format == "+l" || format == "+L" || format == "+vl" || format == "+vL" || format.starts_with("+w:"))
    return Given::List;
  return std::nullopt;
}

}  // namespace

std::string shown(std::string_view format) {
  static constexpr struct {
    std::string_view format, name;
  } kNames[] = {{"b", "bool"},      {"c", "int8"},     {"C", "uint8"},           {"s", "int16"},
                {"S", "uint16"},    {"i", "int32"},    {"I", "uint32"},          {"l", "int64"},
                {"L", "uint64"},    {"e", "float16"},  {"f", "float32"},         {"g", "float64"},
                {"u", "string"},    {"U", "string"},   {"vu", "string"},         {"z", "binary"},
                {"Z", "binary"},    {"vz", "binary"},  {"tdD", "date32"},        {"tdm", "date64"},
                {"+s", "a struct"}, {"+l", "a list"},  {"+L", "a list"},         {"+m", "a map"},
                {"+vl", "a list"},  {"+vL", "a list"}, {"+r", "run-end encoded"}};
  for (const auto& [known, name] : kNames) {
    if (known == format) return std::string(name);
  }
  if (format.starts_with("+w:")) return "a list of fixed size";
  if (format.starts_with("ts")) return "a timestamp";
  if (format.starts_with("d:")) return "a decimal";
  return "Arrow's `" + std::string(format) + "`";
}

std::unique_ptr<Lists> make_lists(const ArrowSchema& schema, const ArrowArray& array, Sink& sink,
                                  std::unique_ptr<Values> values) {
  const std::string_view format = schema.format;
  if (format == "+l" || format == "+m") return std::make_unique<OffsetLists<int32_t>>(array, sink, std::move(values));
  if (format == "+L") return std::make_unique<OffsetLists<int64_t>>(array, sink, std::move(values));
  if (format == "+vl") return std::make_unique<ViewLists<int32_t>>(array, sink, std::move(values));
  if (format == "+vL") return std::make_unique<ViewLists<int64_t>>(array, sink, std::move(values));
  if (format.starts_with("+w:")) {
    const int64_t width = std::strtoll(schema.format + 3, nullptr, 10);
    if (width < 0 || width > std::numeric_limits<int32_t>::max()) mismatch(sink, format);
    return std::make_unique<FixedLists>(array, sink, std::move(values), width);
  }
  mismatch(sink, format);
}

void check_elements(const ArrowSchema& schema, const ArrowArray& array, const Sink& sink) {
  if (schema.n_children != 1 || array.n_children != 1 || schema.children[0] == nullptr ||
      array.children[0] == nullptr) {
    throw EngineError("the array for `" + sink.name() + "` is broken: a list without elements");
  }
}

std::unique_ptr<Values> make_values(const ArrowSchema& schema, const ArrowArray& array, Sink& sink, int depth) {
  if (depth > kDeepest) throw EngineError("the array for `" + sink.name() + "` nests too deep");
  ArrowColumn::of(schema, array, sink.name());
  if (schema.dictionary != nullptr) return make_dictionary(schema, array, sink, depth);
  const std::string_view format = schema.format;
  if (format == "n") return std::make_unique<Nulls>(array, sink);
  const std::optional<Given> kind = given(format);
  if (!kind.has_value() || !sink.takes(*kind)) mismatch(sink, format);
  switch (*kind) {
    case Given::Struct:
      return std::make_unique<Structs>(schema, array, sink, depth);
    case Given::List:
      check_elements(schema, array, sink);
      return make_lists(schema, array, sink,
                        make_values(*schema.children[0], *array.children[0], sink.item(), depth + 1));
    case Given::Map:
      check_elements(schema, array, sink);
      return make_lists(schema, array, sink,
                        Structs::entry(*schema.children[0], *array.children[0], sink.item(), depth));
    case Given::Time:
      return make_times(format, array, sink);
    default:
      return make_scalars(format, array, sink);
  }
}

void Structs::add(const ArrowSchema& schema, int64_t child, int member, int depth) {
  if (array_.n_children <= child || array_.children[child] == nullptr) broken("a child is missing");
  const ArrowArray& values = *array_.children[child];
  if (values.length < array_.offset + array_.length) broken("a child is too short");
  for (const Member& other : members_) {
    if (other.index == member) throw EngineError("`" + sink_.member(member).name() + "` is there twice");
  }
  members_.push_back({member, make_values(schema, values, sink_.member(member), depth + 1)});
}

}  // namespace feat

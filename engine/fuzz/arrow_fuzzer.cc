// Hostile Arrow arrays, as far as a reader can see that they are: lengths, offsets, null counts, formats and children
// that do not fit each other. Buffers are as long as the array says, since the C data interface has no other word on
// them. Refused with an EngineError, or read.
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine/arrow.h"
#include "engine/fuzz/values.h"
#include "engine/row_reader.h"

namespace {

constexpr std::array kFormats = {"n",    "b",    "c",     "C",           "s",       "S",    "i",    "I",    "l",  "L",
                                 "f",    "g",    "u",     "U",           "tsu:UTC", "tss:", "tsm:", "tsn:", "+l", "+L",
                                 "+w:2", "+w:0", "+w:-1", "+w:99999999", "+m",      "+s",   "z",    "+v",   ""};
constexpr std::array kTypes = {"int64",
                               "int32?",
                               "float64?",
                               "float32",
                               "bool?",
                               "string?",
                               "string",
                               "timestamp",
                               "list<int64>",
                               "list<string>?",
                               "list<bool>",
                               "vector<float64, 2>?",
                               "vector<float32, 2>",
                               "map<string, int64>",
                               "list<list<float64>>",
                               "list<vector<float64, 2>>",
                               "map<int64, list<string>>",
                               "map<string, map<int64, string>>"};
constexpr int kMostChildren = 3;
constexpr int64_t kLongestText = 4096;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t byte() { return at_ < size_ ? data_[at_++] : 0; }
  // Mostly a small number; sometimes one that has to be refused.
  int64_t size() {
    static constexpr std::array<int64_t, 5> kHostile = {-1, INT64_MIN, INT64_MAX, int64_t{INT32_MAX} + 1, -8};
    const uint8_t chosen = byte();
    return chosen < 240 ? chosen % 9 : kHostile[chosen % kHostile.size()];
  }
  void fill(char* out, size_t count) {
    for (size_t i = 0; i < count; ++i) out[i] = static_cast<char>(byte());
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

// An array with its schema, and the memory of both: each buffer is a block of its own, so that ASan sees its ends.
struct Made {
  ArrowSchema schema{};
  ArrowArray array{};
  std::vector<std::unique_ptr<Made>> children;
  std::unique_ptr<Made> dictionary;
  std::vector<std::unique_ptr<char[]>> memory;
  std::array<const void*, 3> buffers{};
  std::array<ArrowSchema*, kMostChildren> child_schemas{};
  std::array<ArrowArray*, kMostChildren> child_arrays{};

  char* buffer(size_t index, size_t bytes, Input& input) {
    memory.push_back(std::make_unique<char[]>(bytes));
    input.fill(memory.back().get(), bytes);
    buffers[index] = memory.back().get();
    return memory.back().get();
  }
};

size_t width_of(std::string_view format) {
  if (format == "c" || format == "C") return 1;
  if (format == "s" || format == "S") return 2;
  if (format == "i" || format == "I" || format == "f") return 4;
  return format.size() == 1 || format.starts_with("ts") ? 8 : 0;
}

// Mostly ascending; returns the largest.
template <class Offset>
int64_t make_offsets(Made& made, int64_t count, int64_t most, Input& input) {
  auto* offsets = reinterpret_cast<Offset*>(made.buffer(1, static_cast<size_t>(count) * sizeof(Offset), input));
  int64_t last = 0, largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint8_t step = input.byte();
    last = step < 240 ? last + step % 4 : step < 248 ? -1 : INT32_MAX - step;
    last = std::min(last, most);
    offsets[i] = static_cast<Offset>(last);
    largest = std::max(largest, last);
  }
  return largest;
}

std::unique_ptr<Made> make(Input& input, int depth, const char* name) {
  auto made = std::make_unique<Made>();
  const char* format = kFormats[input.byte() % kFormats.size()];
  made->schema.format = input.byte() == 255 ? nullptr : format;
  made->schema.name = name;
  made->schema.release = [](ArrowSchema*) {};
  made->array.release = [](ArrowArray*) {};
  made->array.length = input.size();
  made->array.offset = input.byte() % 4 ? 0 : input.size();
  // no reader can tell that the buffers end before such an offset
  if (made->array.offset == int64_t{INT32_MAX} + 1) made->array.offset = INT64_MAX;
  static constexpr std::array<int64_t, 6> kNullCounts = {-1, 0, 1, 100, -2, -1};
  made->array.null_count = kNullCounts[input.byte() % kNullCounts.size()];
  const bool sane =
      made->array.length >= 0 && made->array.length < 9 && made->array.offset >= 0 && made->array.offset < 9;
  const int64_t extent = sane ? made->array.length + made->array.offset : 0;
  const std::string_view text = format;
  made->array.buffers = made->buffers.data();
  made->array.n_buffers = input.byte() % 8 == 7 ? input.byte() % 3 : 3;
  if (input.byte() % 2) made->buffer(0, static_cast<size_t>(extent + 7) / 8, input);
  if (text == "u" || text == "+l" || text == "+m" || text == "U" || text == "+L") {
    const bool is_text = text == "u" || text == "U";
    const int64_t most = is_text ? kLongestText : INT64_MAX;
    const int64_t largest = text == "U" || text == "+L" ? make_offsets<int64_t>(*made, extent + 1, most, input)
                                                        : make_offsets<int32_t>(*made, extent + 1, most, input);
    if (is_text) made->buffer(2, static_cast<size_t>(largest), input);
  } else if (text == "b") {
    made->buffer(1, static_cast<size_t>(extent + 7) / 8, input);
  } else if (const size_t width = width_of(text)) {
    made->buffer(1, static_cast<size_t>(extent) * width, input);
  }
  const int children = depth > 3 || !text.starts_with("+") ? 0 : text == "+s" ? input.byte() % 4 : 1;
  for (int i = 0; i < children; ++i) {
    made->children.push_back(make(input, depth + 1, i == 0 ? "x" : i == 1 ? "y" : nullptr));
    const bool absent = input.byte() == 255;
    made->child_schemas[static_cast<size_t>(i)] = absent ? nullptr : &made->children.back()->schema;
    made->child_arrays[static_cast<size_t>(i)] = input.byte() == 255 ? nullptr : &made->children.back()->array;
  }
  made->schema.n_children = input.byte() == 255 ? input.byte() % kMostChildren : children;
  made->array.n_children = input.byte() == 255 ? input.byte() % kMostChildren : children;
  made->schema.children = input.byte() == 255 ? nullptr : made->child_schemas.data();
  made->array.children = input.byte() == 255 ? nullptr : made->child_arrays.data();
  if (depth <= 3 && input.byte() % 16 == 15) {
    made->dictionary = make(input, depth + 1, nullptr);
    made->schema.dictionary = &made->dictionary->schema;
    made->array.dictionary = input.byte() == 255 ? nullptr : &made->dictionary->array;
  }
  return made;
}

template <class Read>
void tried(Read read) {
  try {
    read();
  } catch (const feat::EngineError&) {
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const feat::Type type = feat::Type::parse(kTypes[input.byte() % kTypes.size()]);
  const bool as_sequence = input.byte() % 8 == 7 && type.kind != feat::Kind::Map;
  const auto rows = make(input, 0, "rows");
  tried([&] {
    feat::import_batch(rows->schema, rows->array, std::array{std::pair<std::string, feat::Type>{"x", type}});
  });
  std::vector<feat::FieldSpec> fields;
  std::vector<feat::SequenceSpec> sequences;
  if (as_sequence) {
    sequences.push_back({"s.x", {{"s.x.x", type, {}, -1}, {"s.x.y", type, {}, -1}}, 3});
  } else {
    fields.push_back({"s.x", type, {}, 2});
  }
  tried([&] {
    feat::RowReader reader("s", fields, sequences);
    tried([&] { reader.read_arrow(rows->schema, rows->array); });
    tried([&] { reader.read_arrow_lists(rows->schema, rows->array); });
  });
  return 0;
}

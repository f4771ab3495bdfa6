// Arrow arrays that contradict themselves are refused; engine/fuzz/arrow_fuzzer.cc looks for more of them.
#include <array>
#include <string>
#include <vector>

#include "engine/arrow.h"
#include "engine/row_reader.h"
#include "engine/tests/check.h"

namespace feat {
namespace {

// An array of `length` rows without buffers but a bitmap that is not there.
struct Given {
  explicit Given(const char* format, int64_t length = 1) {
    schema.format = format;
    schema.name = "x";
    schema.release = [](ArrowSchema*) {};
    array.length = length;
    array.n_buffers = 3;
    array.buffers = buffers.data();
    array.release = [](ArrowArray*) {};
  }
  void hold(Given* child) {
    schemas = {child ? &child->schema : nullptr};
    arrays = {child ? &child->array : nullptr};
    schema.n_children = array.n_children = 1;
    schema.children = schemas.data();
    array.children = arrays.data();
  }
  void refused(const char* type) {
    const std::array types{std::pair<std::string, Type>{"x", Type::parse(type)}};
    CHECK_THROWS(import_batch(schema, array, types), "");
    RowReader reader("s", {{"s.x", Type::parse(type), {}, -1}}, {});
    CHECK_THROWS(reader.read_arrow(schema, array), "");
    CHECK_THROWS(reader.read_arrow_lists(schema, array), "");
  }

  ArrowSchema schema{};
  ArrowArray array{};
  std::array<const void*, 3> buffers{};
  std::array<ArrowSchema*, 1> schemas{};
  std::array<ArrowArray*, 1> arrays{};
};

TEST(arrow_without_a_format) {
  Given(nullptr).refused("int64?");
  Given rows("+s"), values(nullptr);
  rows.hold(&values);
  rows.refused("int64?");
}

TEST(arrow_without_its_children) {
  for (const char* format : {"+s", "+l", "+w:2", "+m"}) {
    Given rows(format);
    rows.hold(nullptr);
    rows.refused("list<int64>");
    Given outer("+s"), lists(format);
    lists.hold(nullptr);
    outer.hold(&lists);
    outer.refused(format == std::string("+m") ? "map<string, int64>" : "list<int64>");
  }
}

TEST(arrow_of_an_impossible_size) {
  for (const int64_t length : {int64_t{-1}, INT64_MAX, INT64_MIN, int64_t{INT32_MAX} + 1}) {
    Given rows("+s", length), values("l", length);
    rows.hold(&values);
    rows.refused("int64");
  }
}

TEST(arrow_dictionary_of_a_dictionary) {
  Given rows("+s"), index("i"), inner("i"), words("u");
  inner.schema.dictionary = &words.schema;
  inner.array.dictionary = &words.array;
  index.schema.dictionary = &inner.schema;
  index.array.dictionary = &inner.array;
  rows.hold(&index);
  rows.refused("string?");
}

}  // namespace
}  // namespace feat

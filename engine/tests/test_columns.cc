// Memory, types, columns, gathering: what lies under a program.
#include <cstdint>
#include <iterator>
#include <random>
#include <string>

#include "engine/arena.h"
#include "engine/batch.h"
#include "engine/column.h"
#include "engine/convert.h"
#include "engine/tests/check.h"
#include "engine/type.h"

namespace feat {
namespace {

TEST(arena_aligns_and_grows) {
  Arena arena;
  for (int64_t n : {1, 0, 7, 1000, 1 << 20}) {
    auto* piece = arena.take<int64_t>(n);
    CHECK(reinterpret_cast<uintptr_t>(piece) % 64 == 0);
    for (int64_t i = 0; i < n; ++i) piece[i] = i;
  }
  arena.reset(1 << 10);
  CHECK(arena.reserved_bytes() <= 1 << 10);
  CHECK(arena.take<char>(10) != nullptr);
}

TEST(arena_keeps_memory_after_reset) {
  Arena arena;
  arena.take<char>(100'000);
  const size_t reserved = arena.reserved_bytes();
  for (int i = 0; i < 10; ++i) {
    arena.reset(size_t{1} << 30);
    arena.take<char>(50'000);
    CHECK(arena.reserved_bytes() == reserved);
  }
}

TEST(arena_expects) {
  Arena arena;
  arena.expect(100'000);
  for (int i = 0; i < 10; ++i) arena.take<char>(9'000);
  CHECK(arena.reserved_bytes() == 100'000);
  arena.expect(1'000'000);  // of an arena that has memory: nothing
  arena.take<char>(20'000);
  CHECK(arena.reserved_bytes() < 300'000);
  Arena small(20'000);
  small.expect(SIZE_MAX);
  small.take<char>(64);
  CHECK(small.reserved_bytes() == 20'000);
}

TEST(arena_limit) {
  Arena arena(1 << 20);
  arena.take<char>(1 << 19);
  CHECK_THROWS(arena.take<char>(1 << 20), "more memory than its limit of 1 MiB");
  CHECK_THROWS(arena.take<int64_t>(INT64_MAX), "more memory than its limit");
  CHECK_THROWS(arena.take<char>(-1), "more memory than its limit");
}

TEST(growing) {
  Arena arena;
  Growing<int32_t> a(arena), b(arena);
  for (int32_t i = 0; i < 10'000; ++i) {
    a.push(i);
    if (i % 3 == 0) b.push(-i);
  }
  for (int32_t i = 0; i < 10'000; ++i) CHECK(a[i] == i);
  CHECK(b.size() == 3334 && b[3333] == -9999);
  a.truncate(5);
  a.fill(2, 9);
  CHECK(a.size() == 7 && a[6] == 9 && a[4] == 4);
}

TEST(types_read_and_write) {
  for (const char* text : {"bool", "int32?", "list<string>?", "vector<float32, 8>", "map<string, list<int64?>>",
                           "list<vector<bool, 2>?>", "nothing?", "timestamp", "id"}) {
    CHECK(Type::parse(text).text() == text);
  }
  CHECK(Type::parse("map<string,int64>").text() == "map<string, int64>");
  for (const char* text : {"", "int", "list", "list<int64", "list<>", "vector<int64>", "vector<int64, x>",
                           "vector<int64, -1>", "map<string>", "int64??", "int64 x"}) {
    CHECK_THROWS(Type::parse(text), "not a type");
  }
}

TEST(utf8) {
  for (const char* good : {"", "abcdefghij", "ä", "€", "😀", "abcdefg😀h", "\xF4\x8F\xBF\xBF"}) CHECK(valid_utf8(good));
  for (const char* bad : {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "abcdefgh\xC3",
                          "\xE2\x82", "\xF0\x9F\x98", "\xFF", "\xC3("}) {
    CHECK(!valid_utf8(bad));
  }
}

// In blocks as byte by byte, wherever characters begin.
TEST(long_texts_are_utf8_if_their_characters_are) {
  std::mt19937_64 random(7);
  const std::string_view pieces[] = {"a",
                                     "hello, ",
                                     "\xC2\x80",
                                     "é",
                                     "\xE0\xA0\x80",
                                     "中",
                                     "\xED\x9F\xBF",
                                     "\xEE\x80\x80",
                                     "\xF0\x90\x80\x80",
                                     "😀",
                                     "\xF4\x8F\xBF\xBF"};
  const unsigned char bytes[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
                                 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
  for (int round = 0; round < 30'000; ++round) {
    std::string text;
    const size_t size = 60 + random() % 200;
    const size_t kinds = 1 + random() % std::size(pieces);
    while (text.size() < size) text += pieces[random() % kinds];
    CHECK(valid_utf8(text));
    if (round % 3 == 0) text.resize(text.size() - 1);
    if (round % 3 == 1) text[random() % text.size()] = static_cast<char>(bytes[random() % std::size(bytes)]);
    if (round % 3 == 2) text.erase(random() % text.size(), 1);
    CHECK(valid_utf8(text) == (valid_utf8_prefix(text) == text.size()));
  }
}

// Whatever four bytes follow each other, within a block, across its end, and at the end of all.
TEST(any_four_bytes_in_a_long_text_are_utf8_if_they_are) {
  const unsigned char bytes[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0,
                                 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF};
  constexpr size_t kKinds = std::size(bytes), kAll = kKinds * kKinds * kKinds * kKinds;
  constexpr size_t kPlaces[] = {0, 20, 61, 62, 63, 124};
  std::string text(128, 'a');
  for (size_t number = 0; number < kAll; ++number) {
    const size_t at = kPlaces[number % std::size(kPlaces)];
    size_t rest = number;
    for (size_t k = 0; k < 4; ++k, rest /= kKinds) text[at + k] = static_cast<char>(bytes[rest % kKinds]);
    CHECK(valid_utf8(text) == (valid_utf8_prefix(text) == text.size()));
    text.replace(at, 4, 4, 'a');
  }
}

TEST(builder_of_scalars) {
  Arena arena;
  ColumnBuilder ints(Type::parse("int32?"), arena), floats(Type::parse("float32"), arena);
  ints.append_integer(5);
  ints.append_null();
  ints.append_integer(-1);
  const Column column = ints.finish();
  CHECK(column.layout == Layout::I32 && column.length == 3);
  CHECK(column.as<int32_t>()[0] == 5 && column.as<int32_t>()[1] == 0 && column.as<int32_t>()[2] == -1);
  CHECK(column.is_valid(0) && !column.is_valid(1) && column.is_valid(2));
  floats.append_float(0.1);
  CHECK(floats.finish().as<float>()[0] == 0.1F);
}

TEST(builder_of_nested_rows) {
  Arena arena;
  ColumnBuilder builder(Type::parse("list<map<string, vector<int64, 2>>>?"), arena);
  ColumnBuilder& map = builder.items();
  map.keys().append_text("a");
  map.items().items().append_integer(1);
  map.items().items().append_integer(2);
  map.items().end_row();
  map.end_row();
  builder.end_row();
  builder.append_null();
  map.keys().append_text("half");
  builder.undo_row();
  builder.end_row();
  const Column column = builder.finish();
  CHECK(column.length == 3 && !column.is_valid(1) && column.is_valid(2));
  CHECK(column.offsets[1] == 1 && column.offsets[2] == 1 && column.offsets[3] == 1);
  const Column& entries = column.child[0];
  CHECK(entries.layout == Layout::Map && entries.length == 1 && entries.child[0].text(0) == "a");
  CHECK(entries.child[1].width == 2 && entries.child[1].child->as<int64_t>()[1] == 2);
}

TEST(builder_checks_lengths) {
  Arena arena;
  ColumnBuilder vector(Type::parse("vector<int64, 2>?"), arena);
  vector.items().append_integer(1);
  CHECK_THROWS(vector.end_row(), "got 1 elements");
  vector.append_null();
  CHECK(vector.length() == 1);
  ColumnBuilder map(Type::parse("map<string, int64>"), arena);
  map.keys().append_text("a");
  CHECK_THROWS(map.end_row(), "more values than keys, or fewer");
}

TEST(builder_forgets_rows) {
  Arena arena;
  ColumnBuilder builder(Type::parse("list<string>?"), arena);
  for (int i = 0; i < 4; ++i) {
    builder.items().append_text(std::to_string(i));
    builder.end_row();
  }
  builder.append_null();
  builder.truncate(2);
  builder.items().append_text("z");
  builder.end_row();
  const Column column = builder.finish();
  CHECK(column.length == 3 && column.valid == nullptr && column.child->length == 3);
  CHECK(column.child->text(1) == "1" && column.child->text(2) == "z");
}

TEST(batches_of_equal_columns_have_one_form) {
  Arena arena;
  const auto batch = [&](const char* name, const char* type) {
    return Batch(0, {{name, Type::parse(type), ColumnBuilder(Type::parse(type), arena).finish(), nullptr}});
  };
  const Batch first = batch("a", "int64");
  CHECK(batch("a", "int64").form() == first.form());
  CHECK(batch("a", "int64?").form() != first.form());
  CHECK(batch("b", "int64").form() != first.form());
  std::vector<Batch> others;
  for (int i = 0; i < 20; ++i) others.push_back(batch(("c" + std::to_string(i)).c_str(), "int64"));
  for (const Batch& other : others) CHECK(batch(other.name(0).c_str(), "int64").form()->size() == 1);
}

TEST(gather_rows) {
  Arena arena;
  ColumnBuilder builder(Type::parse("vector<string, 2>"), arena);
  for (const char* text : {"a", "b", "c"}) {
    builder.items().append_text(text);
    builder.items().append_text(std::string(text) + text);
    builder.end_row();
  }
  const int32_t rows[] = {2, kNullRow, kDefaultRow, 0};
  const Column picked = gather(builder.finish(), rows, 4, arena);
  CHECK(picked.is_valid(0) && !picked.is_valid(1) && picked.is_valid(2));
  CHECK(picked.child->text(1) == "cc" && picked.child->text(2).empty() && picked.child->text(5).empty());
  CHECK(picked.child->text(6) == "a" && picked.child->valid == nullptr);
}

TEST(lists_become_vectors_and_back) {
  Arena arena;
  ColumnBuilder builder(Type::parse("list<int64>?"), arena);
  for (int row = 0; row < 3; ++row) {
    if (row == 1) {
      builder.append_null();
      continue;
    }
    builder.items().append_integer(row);
    builder.items().append_integer(-row);
    builder.end_row();
  }
  const Column list = builder.finish();
  const Column vector = conform(list, Type::parse("vector<int64, 2>?"), arena);
  CHECK(vector.layout == Layout::Vector && vector.child->length == 6 && vector.child->as<int64_t>()[5] == -2);
  const Column back = conform(vector, Type::parse("list<int64>?"), arena);
  CHECK(back.child->length == 4 && back.offsets[2] == 2 && back.child->as<int64_t>()[2] == 2);
  CHECK_THROWS(conform(list, Type::parse("vector<int64, 3>?"), arena), "a row of 2 elements");
}

}  // namespace
}  // namespace feat

// Keys: which are equal, as columns and back, and out of a call's message.
#include <string>
#include <vector>

#include "engine/keys.h"
#include "engine/request_keys.h"
#include "engine/tests/check.h"

namespace feat {
namespace {

Keys mixed() {
  Keys keys;
  keys.add("a");
  keys.add(int64_t{7});
  keys.add_null();
  keys.add("7");
  keys.add("a");
  keys.add("");
  keys.add(int64_t{7});
  return keys;
}

std::vector<std::string> texts(const Keys& keys) {
  std::vector<std::string> all;
  for (size_t i = 0; i < keys.size(); ++i) all.emplace_back(keys.present(i) ? keys[i] : "null");
  return all;
}

TEST(equal_keys_are_of_one_kind_and_null_is_none) {
  const Keys::Distinct found = mixed().distinct();
  CHECK((found.first == std::vector<int64_t>{0, 1, 3, 5}));
  CHECK((found.which == std::vector<int64_t>{0, 1, -1, 2, 0, 3, 1}));
  CHECK((texts(mixed().take(found.first)) == std::vector<std::string>{"a", "7", "7", ""}));
  CHECK(Keys().distinct().first.empty());
  CHECK_THROWS(mixed().take(std::vector<int64_t>{7}), "a key that is not there");
  CHECK_THROWS(mixed().take(std::vector<int64_t>{-1}), "a key that is not there");
}

TEST(many_keys_are_told_apart) {
  Keys keys;
  for (int64_t i = 0; i < 5'000; ++i) keys.add(i * i % 1'009);
  const Keys::Distinct found = keys.distinct();
  CHECK(found.first.size() == 505);
  for (size_t i = 0; i < keys.size(); ++i) {
    CHECK(keys[static_cast<size_t>(found.first[static_cast<size_t>(found.which[i])])] == keys[i]);
  }
}

TEST(keys_beside_each_other) {
  Keys a, b;
  for (const char* key : {"1", "1:", "1", ""}) a.add(key);
  for (const char* key : {":2", "2", ":2", "1"}) b.add(key);
  const Keys* both[] = {&a, &b};
  CHECK((Keys::together(both).distinct().which == std::vector<int64_t>{0, 1, 0, 2}));
  b.add("x");
  CHECK_THROWS(Keys::together(both), "not as many keys");
}

TEST(keys_as_columns_and_back) {
  Keys numbers, words;
  for (const int64_t number : {int64_t{0}, int64_t{-5}, INT64_MIN}) numbers.add(number);
  for (const char* word : {"", "é", "x"}) words.add(word);
  CHECK(texts(Keys::of_column(numbers.column("k", Type::parse("int64")), "k").keys) == texts(numbers));
  CHECK(texts(Keys::of_column(words.column("k", Type::parse("string")), "k").keys) == texts(words));
  CHECK(!numbers.fit_int32() && !words.fit_int32() && words.are_texts() && !numbers.are_texts());
  CHECK_THROWS(numbers.column("k", Type::parse("int32")), "which key 2 is not");
  CHECK_THROWS(words.column("k", Type::parse("int64")), "which key 0 is not");
  CHECK_THROWS(numbers.column("k", Type::parse("string")), "which key 0 is not");
  CHECK_THROWS(words.column("k", Type::parse("bool")), "keys are int64, int32 or string");
  words.add("\xC3");
  CHECK_THROWS(words.column("k", Type::parse("string")), "is not UTF-8");
}

// --- of a message --------------------------------------------------------------------------------------------------

std::string bytes(int field, std::string_view value) {
  CHECK(value.size() < 128);
  return std::string{static_cast<char>(field << 3 | 2), static_cast<char>(value.size())}.append(value);
}

TEST(keys_of_a_message) {
  const std::string user = bytes(1, "user") + bytes(2, bytes(1, bytes(1, std::string("\x05\xAC\x02", 3))));
  const std::string item = bytes(1, "item") + bytes(2, bytes(2, bytes(1, "a") + bytes(1, "") + bytes(1, "é")));
  const std::string model = bytes(1, "ranker"), number = std::string("\x28\x07", 2);
  const auto read = read_request_keys(model + bytes(2, user) + number + bytes(2, item), 2);
  CHECK(read.has_value());
  CHECK(read->rest == model + number);
  CHECK(read->by_entity.size() == 2);
  CHECK(read->by_entity[0].first == "user" && read->by_entity[1].first == "item");
  CHECK((texts(read->by_entity[0].second) == std::vector<std::string>{"5", "300"}));
  CHECK((texts(read->by_entity[1].second) == std::vector<std::string>{"a", "", "é"}));
  CHECK(read_request_keys("", 2)->by_entity.empty());
}

TEST(whatever_is_unusual_is_left_to_protobuf) {
  const std::string name = bytes(1, "item"), list = bytes(2, bytes(1, "a"));
  const std::string usual = bytes(2, name + bytes(2, list));
  CHECK(read_request_keys(usual, 2).has_value());
  for (size_t size = 1; size < usual.size(); ++size) CHECK(!read_request_keys(usual.substr(0, size), 2).has_value());
  const std::string others[] = {
      usual + usual,                                            // an entity twice
      bytes(2, name),                                           // no value
      bytes(2, name + bytes(2, "")),                            // no keys
      bytes(2, name + bytes(2, list + list)),                   // two lists
      bytes(2, name + bytes(2, bytes(3, "a"))),                 // an unknown field
      bytes(2, name + bytes(2, bytes(2, bytes(1, "\xC3")))),    // no UTF-8
      bytes(2, bytes(1, "\xFF") + bytes(2, list)),              // likewise
      bytes(2, name + bytes(2, bytes(2, "\xC3\x0A\x01\xA9"))),  // cut inside a character
      bytes(2, name + bytes(2, bytes(1, bytes(1, "\x80")))),    // half a number
      bytes(2, name + bytes(2, bytes(1, "\x08\x05"))),          // numbers that are not packed
      usual + "\x0B",                                           // a group
      usual + std::string("\x00\x01", 2),                       // field 0
  };
  for (const std::string& other : others) CHECK(!read_request_keys(other, 2).has_value());
}

}  // namespace
}  // namespace feat

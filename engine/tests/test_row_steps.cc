// Rows by straight steps, beside the same rows by their plan: the same columns, or given up. Rows lie in pieces of
// memory that end with them, so that the sanitizer sees what is read behind.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/row_reader.h"
#include "engine/tests/check.h"

namespace feat {
namespace {

using Op = DecodePlan::Op;

// --- plans and bodies by hand --------------------------------------------------------------------------------------

template <class T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_long(std::string& bytes, int64_t value) {
  uint64_t left = static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
  for (; left >= 0x80; left >>= 7) bytes.push_back(static_cast<char>(left | 0x80));
  bytes.push_back(static_cast<char>(left));
}

class PlanWriter {
 public:
  uint32_t leaf(Op op) { return add(std::string(1, static_cast<char>(op))); }
  uint32_t integer() {
    std::string node(1, static_cast<char>(Op::Integer));
    put<int64_t>(node, 1);
    put<int64_t>(node, 1);
    return add(node);
  }
  uint32_t fixed(uint32_t size) {
    std::string node(1, static_cast<char>(Op::Fixed));
    put(node, size);
    return add(node);
  }
  uint32_t array(uint32_t items) {
    std::string node(1, static_cast<char>(Op::Array));
    put(node, items);
    return add(node);
  }
  uint32_t map(uint32_t values) {
    std::string node(1, static_cast<char>(Op::Map));
    put(node, values);
    return add(node);
  }
  uint32_t either(uint32_t first, uint32_t second) {
    std::string node(1, static_cast<char>(Op::Union));
    put<uint32_t>(node, 2);
    put(node, first);
    put(node, second);
    return add(node);
  }
  // The plan of a row with these members, in this order; "" is skipped.
  std::string of(const std::vector<std::pair<uint32_t, std::string>>& members) const {
    std::string plan = "FEATROW1";
    put(plan, static_cast<uint32_t>(nodes_.size() + 1));
    plan.push_back(static_cast<char>(Op::Record));
    put(plan, static_cast<uint32_t>(members.size()));
    for (const auto& [node, name] : members) {
      put(plan, node);
      put(plan, static_cast<uint32_t>(name.size()));
      plan += name;
    }
    for (const std::string& node : nodes_) plan += node;
    return plan;
  }

 private:
  uint32_t add(const std::string& node) {
    nodes_.push_back(node);
    return static_cast<uint32_t>(nodes_.size());  // the row is node 0
  }
  std::vector<std::string> nodes_;
};

std::vector<FieldSpec> declared() {
  return {{"s.flag", Type::parse("bool?"), {}, -1},
          {"s.small", Type::parse("int32?"), int64_t{7}, -1},
          {"s.large", Type::parse("int64?"), {}, -1},
          {"s.single", Type::parse("float32?"), {}, -1},
          {"s.exact", Type::parse("float64?"), 0.5, -1},
          {"s.widened", Type::parse("float64?"), {}, -1},
          {"s.text", Type::parse("string?"), std::string("none"), -1},
          {"s.texts", Type::parse("list<string>"), {}, 2},
          {"s.numbers", Type::parse("list<int64>"), {}, -1},
          {"s.scores", Type::parse("map<string,float32>"), {}, 3},
          {"s.nested", Type::parse("map<string,map<string,int64>>"), {}, -1},
          {"s.names", Type::parse("map<string,string>"), {}, -1},
          {"s.absent", Type::parse("int64?"), int64_t{3}, -1}};
}

std::string plan_of_all() {
  PlanWriter plan;
  const uint32_t null = plan.leaf(Op::Null), text = plan.leaf(Op::Bytes), number = plan.integer();
  return plan.of({{plan.either(null, plan.leaf(Op::Boolean)), "flag"},
                  {plan.fixed(3), ""},
                  {plan.either(number, null), "small"},
                  {plan.array(plan.either(null, text)), ""},
                  {number, "large"},
                  {plan.leaf(Op::Float32), "single"},
                  {plan.either(null, plan.leaf(Op::Float64)), "exact"},
                  {number, "widened"},
                  {plan.either(null, text), "text"},
                  {text, ""},
                  {plan.either(null, plan.array(plan.either(null, text))), "texts"},
                  {plan.array(number), "numbers"},
                  {plan.either(null, plan.map(plan.leaf(Op::Float32))), "scores"},
                  {plan.either(null, plan.map(plan.map(number))), "nested"},
                  {plan.map(text), "names"}});
}

class Rows {
 public:
  std::string body() {
    std::string row;
    if (some())
      row.append("\x02\x01", 2);
    else
      row.push_back(0);
    row += "abc";
    if (some())
      row.push_back(0), put_long(row, static_cast<int32_t>(random_()));
    else
      row.push_back(2);
    texts(row);
    put_long(row, static_cast<int64_t>(random_()) >> (random_() % 64));
    put(row, random_() % 8 == 0 ? std::numeric_limits<float>::quiet_NaN() : 1.5f);
    if (some())
      row.push_back(2), put(row, random_() % 8 == 0 ? HUGE_VAL : 0.1);
    else
      row.push_back(0);
    put_long(row, 12);
    if (some())
      row.push_back(2), text(row);
    else
      row.push_back(0);
    text(row);
    if (some())
      row.push_back(2), texts(row);
    else
      row.push_back(0);
    for (int block = 0; block < 2; ++block) {
      put_long(row, 2);
      for (int i = 0; i < 2; ++i) put_long(row, static_cast<int64_t>(random_()));
    }
    row.push_back(0);
    if (some())
      row.push_back(2), entries(row, [&] { put(row, random_() % 16 == 0 ? HUGE_VALF : 0.25f); });
    else
      row.push_back(0);
    if (some())
      row.push_back(2), entries(row, [&] { entries(row, [&] { put_long(row, static_cast<int64_t>(random_())); }); });
    else
      row.push_back(0);
    entries(row, [&] { text(row); });
    return row;
  }
  uint64_t number() { return random_(); }

 private:
  bool some() { return random_() % 4 != 0; }
  void text(std::string& row) {
    static const std::string words[] = {"",
                                        "a",
                                        "short",
                                        "caf\xC3\xA9",
                                        "\xE4\xB8\xAD\xE6\x96\x87",
                                        "a text of more than thirty-two bytes, so that it takes two steps"};
    const std::string& word = words[random_() % 6];
    put_long(row, static_cast<int64_t>(word.size()));
    row += word;
  }
  // Of a map, in up to two blocks; now and then a key comes twice.
  template <class Value>
  void entries(std::string& row, Value value) {
    for (uint64_t block = random_() % 3; block > 0; --block) {
      const auto count = static_cast<int64_t>(random_() % 3 + 1);
      put_long(row, count);
      for (int64_t i = 0; i < count; ++i) {
        const std::string key = "key" + std::string(random_() % 4, 'x') + std::to_string(random_() % 20);
        put_long(row, std::ssize(key));
        row += key;
        value();
      }
    }
    row.push_back(0);
  }
  void texts(std::string& row) {
    const int64_t count = static_cast<int64_t>(random_() % 4);
    if (count > 0) put_long(row, count);
    for (int64_t i = 0; i < count; ++i) {
      if (some())
        row.push_back(2), text(row);
      else
        row.push_back(0);
    }
    row.push_back(0);
  }
  std::mt19937_64 random_{5};
};

// --- comparing -----------------------------------------------------------------------------------------------------

bool same(const Column& a, const Column& b) {
  if (a.layout != b.layout || a.length != b.length) return false;
  if (a.has_offsets() && std::memcmp(a.offsets, b.offsets, static_cast<size_t>(a.length + 1) * 4) != 0) return false;
  for (int64_t i = 0; i < a.length; ++i) {
    if (a.is_valid(i) != b.is_valid(i)) return false;
  }
  if (a.layout == Layout::Str) return std::memcmp(a.data, b.data, static_cast<size_t>(a.offsets[a.length])) == 0;
  for (int k = 0; k < a.child_count(); ++k) {
    if (!same(a.child[k], b.child[k])) return false;
  }
  if (a.child_count() > 0) return true;
  return std::memcmp(a.data, b.data, static_cast<size_t>(a.length * value_bytes(a.layout))) == 0;
}

struct Decoded {
  std::vector<Column> columns;
  std::vector<RowStatus> statuses;
};

// Bodies by the plan alone.
Decoded by_plan(const std::string& plan, const std::vector<std::string>& bodies, Arena& arena) {
  static const std::vector<FieldSpec> fields = declared();
  static const std::vector<SequenceSpec> none;
  Intake intake{arena};
  RowSink row("s", fields, none, intake);
  const DecodePlan decoding(plan, row);
  Decoded made;
  for (const std::string& body : bodies) {
    made.statuses.push_back(RowStatus::Ok);
    try {
      decoding.decode(body, row);
    } catch (const BadValue&) {
      row.truncate(static_cast<int64_t>(made.statuses.size()) - 1);
      row.null();
      made.statuses.back() = RowStatus::Undecodable;
    }
  }
  auto memory = std::make_shared<Arena>();
  made.columns = row.finish();
  return made;
}

void check_all(const std::string& plan, const std::vector<std::string>& bodies) {
  RowReader reader("s", declared(), {});
  reader.add_schema(1, plan);
  std::vector<std::vector<char>> kept;
  std::vector<StoredRows::Place> places;
  std::string together;
  for (const std::string& body : bodies) {
    const std::string row = std::string("\xC3\x01\x01\0\0\0\0\0\0\0", 10) + body;
    kept.emplace_back(row.begin(), row.end());
    kept.back().shrink_to_fit();
    places.push_back({std::ssize(together), std::ssize(row)});
    together += row;
  }
  std::vector<std::optional<std::string_view>> rows;
  for (const auto& row : kept) rows.emplace_back(std::string_view(row.data(), row.size()));
  auto memory = std::make_shared<Arena>();
  char* bytes = memory->take<char>(std::ssize(together));
  std::memcpy(bytes, together.data(), together.size());
  Arena arena;
  const Decoded wanted = by_plan(plan, bodies, arena);
  const GivenRows apart(rows), in_slack(StoredRows(memory, bytes, places));
  const StoredRows stored(memory, bytes, places);
  RowReading begun(reader, stored.size()), broken(reader, stored.size());
  for (size_t i = 0, pieces = 0; i < in_slack.rows.size(); ++pieces) {
    const auto piece = in_slack.rows.subspan(i).first(std::min(in_slack.rows.size() - i, pieces * 7 % 80));
    begun.add(piece);
    i += piece.size();
  }
  begun.end();
  const std::optional<std::string_view> not_believed[] = {"as it has no end"};
  broken.add(not_believed);
  const std::pair<const GivenRows*, RowReading*> ways[] = {
      {&apart, nullptr}, {&in_slack, nullptr}, {&in_slack, &begun}, {&in_slack, &begun}, {&in_slack, &broken}};
  for (const auto& [given, reading] : ways) {
    const AvroRows read = reader.read_avro(*given, reading);
    CHECK(read.statuses == wanted.statuses);
    CHECK(read.counts[0] == std::ranges::count(wanted.statuses, RowStatus::Ok));
    for (size_t c = 0; c < wanted.columns.size(); ++c) CHECK(same(read.batch.column(c), wanted.columns[c]));
  }
  for (size_t i = 0; i < bodies.size(); ++i) {  // each by itself
    const Decoded alone = by_plan(plan, {bodies[i]}, arena);
    const AvroRows read = reader.read_avro(GivenRows(StoredRows(memory, bytes, {places[i]})));
    CHECK(read.statuses == alone.statuses);
    for (size_t c = 0; c < alone.columns.size(); ++c) CHECK(same(read.batch.column(c), alone.columns[c]));
  }
}

TEST(steps_read_what_the_plan_reads) {
  Rows rows;
  std::vector<std::string> bodies;
  for (int i = 0; i < 300; ++i) bodies.push_back(rows.body());
  check_all(plan_of_all(), bodies);
}

TEST(steps_give_up_rows_that_are_cut_or_changed) {
  Rows rows;
  std::vector<std::string> bodies;
  for (int i = 0; i < 40; ++i) {
    const std::string body = rows.body();
    for (size_t cut = 0; cut < body.size(); ++cut) bodies.push_back(body.substr(0, cut));
    bodies.push_back(body);
    for (int k = 0; k < 40; ++k) {
      std::string changed = body;
      changed[rows.number() % changed.size()] = static_cast<char>(rows.number());
      bodies.push_back(changed);
    }
  }
  check_all(plan_of_all(), bodies);
}

TEST(steps_read_a_row_of_any_bytes) {
  Rows rows;
  std::vector<std::string> bodies;
  for (int i = 0; i < 2'000; ++i) {
    std::string body(rows.number() % 80, '\0');
    for (char& byte : body) byte = static_cast<char>(rows.number() % 3 == 0 ? rows.number() : rows.number() % 6);
    bodies.push_back(body);
  }
  check_all(plan_of_all(), bodies);
}

TEST(steps_give_up_what_a_plan_gives_twice) {
  PlanWriter plan;
  const uint32_t number = plan.integer();
  check_all(plan.of({{number, "large"}, {number, "large"}}), {"\x02\x04", "", "\x02"});
}

TEST(texts_are_valid_each_by_itself) {
  PlanWriter plan;
  const uint32_t text = plan.leaf(Op::Bytes);
  const std::string both = plan.of({{text, "text"}});
  // Together they are UTF-8, one by one they are not.
  check_all(both, {"\x02\xC3", "\x02\xA9",
                   "\x02"
                   "a",
                   std::string("\0", 1)});
  check_all(both, {"\x04"
                   "a\xC3",
                   "\x04\xA9"
                   "b"});
  check_all(both, {"\x04\xC3\xA9", std::string("\0", 1)});
}

TEST(maps_with_many_keys_and_with_equal_ones) {
  PlanWriter plan;
  const std::string names = plan.of({{plan.map(plan.leaf(Op::Bytes)), "names"}});
  const auto of = [](const std::vector<std::string>& keys) {
    std::string body;
    put_long(body, std::ssize(keys));
    for (const std::string& key : keys) {
      put_long(body, std::ssize(key));
      body += key;
      body += "\x02v";
    }
    body.push_back(0);
    return body;
  };
  std::vector<std::string> many;
  for (int i = 0; i < 500; ++i) many.push_back(std::to_string(i * 7919));
  std::vector<std::string> twice = many;
  twice.push_back(many[3]);
  check_all(names, {of(many), of({}), of({"a"}), of(many)});
  check_all(names, {of(many), of(twice), of(many), of({"a", "b", "a"}), of({"", ""}), of({"\xC3", "a"})});
}

// Keys are copied by more bytes than they have: what is behind those of a row stays as it is.
TEST(maps_of_one_row_whose_keys_are_nearly_all_of_it) {
  PlanWriter flat, deep;
  const std::string scores = flat.of({{flat.map(flat.leaf(Op::Float32)), "scores"}});
  const std::string nested = deep.of({{deep.map(deep.map(deep.integer())), "nested"}});
  const auto key = [](size_t size, char letter) {
    std::string bytes;
    put_long(bytes, static_cast<int64_t>(size));
    return bytes + std::string(size, letter);
  };
  std::string half;
  put(half, 0.5f);
  std::vector<std::string> of_scores, of_nested;
  for (size_t first = 0; first < 40; ++first) {
    for (size_t second = 32; second < 40; ++second) {
      of_scores.push_back("\x04" + key(first, 'a') + half + key(second, 'b') + half + std::string(1, '\0'));
      of_nested.push_back("\x02" + key(1, 'c') + "\x04" + key(first, 'a') + "\x02" + key(second, 'b') + "\x02" +
                          std::string(2, '\0'));
    }
  }
  check_all(scores, of_scores);
  check_all(nested, of_nested);
}

TEST(lists_in_blocks_with_sizes_are_read_by_the_plan) {
  PlanWriter plan;
  const std::string numbers = plan.of({{plan.array(plan.integer()), "numbers"}});
  check_all(numbers, {std::string("\x03\x04\x02\x04\0", 5), std::string("\x04\x02\x04\0", 4), std::string("\0", 1)});
}

}  // namespace
}  // namespace feat

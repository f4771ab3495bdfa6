// Rows as bytes and back, and what an item cache keeps, drops and moves: in memory that the sanitizer watches.
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/item_cache.h"
#include "engine/packed_rows.h"
#include "engine/tests/check.h"

namespace feat {
namespace {

constexpr int64_t kHour = int64_t{3'600} * 1'000'000'000;

std::vector<NamedType> columns() {
  std::vector<NamedType> all;
  for (const char* type :
       {"bool", "int32?", "int64", "float64?", "vector<int64, 6>", "vector<float32, 3>", "string?", "list<string>",
        "list<int64?>", "map<string, int64>", "vector<string, 2>", "list<list<int32>>"}) {
    all.push_back({"c" + std::to_string(all.size()), Type::parse(type)});
  }
  return all;
}

// A value of a type, some of them null or empty.
void append(ColumnBuilder& builder, std::mt19937_64& random) {
  const Type& type = builder.type();
  if (type.nullable && random() % 4 == 0) return builder.append_null();
  switch (type.kind) {
    case Kind::Bool:
      return builder.append_bool(random() % 2 == 0);
    case Kind::Float32:
    case Kind::Float64:
      return builder.append_float(static_cast<double>(random() % 1'000) / 8);
    case Kind::String:
      return builder.append_text(std::string(random() % 50, static_cast<char>('a' + random() % 26)));
    case Kind::List:
    case Kind::Vector:
    case Kind::Map: {
      const uint64_t count = type.kind == Kind::Vector ? static_cast<uint64_t>(type.size) : random() % 5;
      for (uint64_t i = 0; i < count; ++i) {
        if (type.kind == Kind::Map) builder.keys().append_text("k" + std::to_string(i));
        append(builder.items(), random);
      }
      return builder.end_row();
    }
    default:
      return builder.append_integer(static_cast<int32_t>(random()));
  }
}

Batch made(int64_t rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  auto memory = std::make_shared<Arena>();
  std::vector<Batch::Field> fields;
  for (const auto& [name, type] : columns()) {
    ColumnBuilder builder(type, *memory);
    for (int64_t i = 0; i < rows; ++i) append(builder, random);
    fields.push_back({name, type, builder.finish(), memory});
  }
  return {rows, std::move(fields)};
}

// Rows are the same if they pack to the same bytes.
std::string packed(const PackedLayout& layout, const Batch& batch, int64_t row) {
  const PackedRows rows = layout.pack(batch);
  return {rows.row(row).data(), rows.row(row).size()};
}

TEST(packed_rows_come_back_in_any_order) {
  const PackedLayout layout(columns());
  const Batch batch = made(100, 1);
  const PackedRows rows = layout.pack(batch);
  std::vector<std::vector<char>> apart;  // each in memory of its own
  std::vector<const char*> given;
  std::vector<int64_t> order;
  for (const int64_t i : {99, 0, 7, 7, 50, 1, 99}) {
    const std::span<const char> row = rows.row(i);
    apart.emplace_back(row.begin(), row.end());
    apart.back().resize(row.size() + kPackedSlack);
    order.push_back(i);
  }
  for (const auto& row : apart) given.push_back(row.data());
  const Batch back = layout.unpack(given);
  CHECK(back.num_rows() == 7);
  for (size_t k = 0; k < order.size(); ++k) {
    CHECK(packed(layout, back, static_cast<int64_t>(k)) == packed(layout, batch, order[k]));
  }
  CHECK(layout.unpack({}).num_rows() == 0);
  CHECK_THROWS(layout.pack(Batch(0, {})), "no column `c0`");
}

Keys keys_of(const std::vector<int64_t>& items) {
  Keys keys;
  for (const int64_t item : items) keys.add("item-" + std::to_string(item));
  return keys;
}

// What a call does: looks, makes what is missing of its own seed, and takes all. Returns how many were there.
size_t call(const std::shared_ptr<ItemTable>& table, const std::vector<int64_t>& items, int64_t now,
            const PackedLayout& layout, std::map<int64_t, uint64_t>& versions) {
  ItemLookup lookup = table->find(keys_of(items), now);
  std::vector<int64_t> missing;
  for (const int64_t place : lookup.missing()) missing.push_back(items[static_cast<size_t>(place)]);
  lookup.made_of("rows", keys_of(missing), {});
  const auto one = [&](int64_t item) { return made(1, static_cast<uint64_t>(item) * 1'000 + versions[item]); };
  if (!missing.empty()) {
    Batch all = one(missing[0]);
    std::vector<PackedRows> kept;
    std::vector<const char*> rows;
    for (const int64_t item : missing) kept.push_back(layout.pack(one(item)));
    for (const PackedRows& row : kept) rows.push_back(row.row(0).data());
    all = layout.unpack(rows);
    lookup.add(all, std::vector<uint8_t>(missing.size(), 0), now, now + kHour, now + kHour / 10);
  }
  std::vector<int64_t> places(items.size());
  for (size_t i = 0; i < items.size(); ++i) places[i] = static_cast<int64_t>(i);
  const Batch given = lookup.rows(places);
  for (size_t i = 0; i < items.size(); ++i) {
    CHECK(packed(layout, given, static_cast<int64_t>(i)) == packed(layout, one(items[i]), 0));
  }
  return items.size() - missing.size();
}

TEST(a_cache_gives_what_was_made_until_it_changes) {
  const PackedLayout layout(columns());
  auto cache = std::make_shared<ItemCache>(int64_t{1} << 20);
  auto table = std::make_shared<ItemTable>(cache, columns());
  std::map<int64_t, uint64_t> versions;
  CHECK(call(table, {1, 2, 3}, 0, layout, versions) == 0);
  CHECK(call(table, {3, 2, 4}, 1, layout, versions) == 2);
  ++versions[2];
  cache->changed("rows", keys_of({2}));
  CHECK(call(table, {1, 2, 3}, 2, layout, versions) == 2);
  CHECK(call(table, {1, 2, 3}, 2 * kHour, layout, versions) == 0);
  table->drop();
  CHECK(call(table, {1}, 2 * kHour, layout, versions) == 0);
  CHECK(cache->stats().stale == 2 && cache->stats().expired == 3);
}

TEST(a_small_cache_stays_small_and_right) {
  const PackedLayout layout(columns());
  auto cache = std::make_shared<ItemCache>(int64_t{1} << 20);
  auto table = std::make_shared<ItemTable>(cache, columns());
  std::map<int64_t, uint64_t> versions;
  std::mt19937_64 random(3);
  size_t hits = 0;
  for (int64_t now = 0; now < 400; ++now) {
    std::vector<int64_t> items;
    for (int64_t item = static_cast<int64_t>(random() % 4'000); items.size() < 20;
         item += 1 + static_cast<int64_t>(random() % 5)) {
      items.push_back(random() % 4 == 0 ? item : item % 300 + (std::ssize(items) * 300));
    }
    const int64_t changed = items[random() % items.size()];
    ++versions[changed];
    cache->changed("rows", keys_of({changed}));
    hits += call(table, items, now, layout, versions);
    CHECK(cache->stats().bytes <= cache->stats().limit_bytes);
  }
  CHECK(hits > 100 && cache->stats().evicted > 100);
}

TEST(parts_are_found_beside_their_own_rows_alone) {
  const PackedLayout layout(columns());
  auto cache = std::make_shared<ItemCache>(int64_t{1} << 20);
  auto table = std::make_shared<ItemTable>(cache, columns()), parts = std::make_shared<ItemTable>(cache, columns());
  const std::vector<int64_t> items{1, 2, 3}, places{2, 0, 1, 1};
  const std::vector<uint8_t> fine(3, 0);
  ItemLookup rows = table->find(keys_of(items), 0);
  rows.made_of("rows", keys_of(items), {});
  rows.add(made(3, 1), fine, 0, kHour, kHour);
  ItemLookup found = parts->find_parts(rows);
  CHECK(found.missing().size() == 3);
  found.add_parts(made(3, 2));
  CHECK(parts->find_parts(table->find(keys_of(items), 1)).missing().empty());

  cache->changed("rows", keys_of({2}));
  ItemLookup changed = table->find(keys_of(items), 2);
  changed.made_of("rows", keys_of({2}), {});
  changed.add(made(1, 3), {fine.data(), 1}, 2, 2, 2);  // made of defaults: not kept, nor is its part
  ItemLookup left = parts->find_parts(changed);
  CHECK(left.missing() == std::vector<int64_t>{1});
  left.add_parts(made(1, 4));
  CHECK(parts->find_parts(changed).missing() == std::vector<int64_t>{1});
  const Batch all = left.rows(places);
  CHECK(packed(layout, all, 0) == packed(layout, made(3, 2), 2));
  CHECK(packed(layout, all, 3) == packed(layout, made(1, 4), 0));
  CHECK(cache->stats().part_entries == 3 && cache->stats().entries == 2);

  std::vector<NamedType> others = columns();
  others.erase(others.begin() + 4);
  others.erase(others.begin() + 2);
  const PackedLayout rest(others);
  const std::vector<std::string> two{"c2", "c4"}, texts{"c6"};
  const Batch some = changed.rows(places, table->without(two)), whole = changed.rows(places);
  CHECK(some.form()->size() == others.size());
  for (int64_t i = 0; i < some.num_rows(); ++i) CHECK(packed(rest, some, i) == packed(rest, whole, i));
  CHECK_THROWS(table->without(texts), "without a fixed size");
}

}  // namespace
}  // namespace feat

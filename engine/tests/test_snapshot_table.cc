// Versions of an embedding table beside a plain map of each, in memory that the sanitizer watches.
#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "engine/snapshot_table.h"
#include "engine/tests/check.h"

namespace feat {
namespace {

using Version = std::shared_ptr<const Snapshot>;
using Plain = std::map<int64_t, std::vector<float>>;

struct Change {
  std::vector<int64_t> ids, deleted;
  std::vector<float> rows;
};

Change change(std::mt19937_64& random, int64_t width, uint64_t ids) {
  Change made;
  for (uint64_t i = random() % 200; i > 0; --i) {
    made.ids.push_back(static_cast<int64_t>((random() % ids) * 0x9E3779B97F4A7C15));
    for (int64_t k = 0; k < width; ++k) made.rows.push_back(static_cast<float>(random() % 1'000));
  }
  for (uint64_t i = random() % 60; i > 0; --i) {
    made.deleted.push_back(static_cast<int64_t>((random() % ids) * 0x9E3779B97F4A7C15));
  }
  return made;
}

void apply(Plain& plain, const Change& change, int64_t width) {
  const auto row = change.rows.begin();
  for (size_t i = 0; i < change.ids.size(); ++i) {
    const auto from = row + static_cast<int64_t>(i) * width;
    plain[change.ids[i]] = std::vector<float>(from, from + width);
  }
  for (const int64_t id : change.deleted) plain.erase(id);
}

void check_equal(const Snapshot& version, const Plain& plain, int64_t width) {
  CHECK(version.rows() == static_cast<int64_t>(plain.size()));
  CHECK(version.ids().size() == plain.size());
  RowSum sum;
  std::vector<int64_t> ids{4'242};
  for (const auto& [id, row] : plain) {
    ids.push_back(id);
    sum.add(sum_of_row(id, row));
  }
  CHECK(version.sum() == sum);
  std::vector<float> rows(ids.size() * static_cast<size_t>(width), -1.0F);
  CHECK(version.gather(ids, rows.data()) == 1);
  for (int64_t k = 0; k < width; ++k) CHECK(rows[static_cast<size_t>(k)] == 0);
  for (size_t i = 1; i < ids.size(); ++i) {
    const auto from = rows.begin() + static_cast<int64_t>(i) * width;
    CHECK(std::equal(from, from + width, plain.at(ids[i]).begin()));
  }
}

}  // namespace

TEST(versions_of_a_table_are_what_was_written) {
  for (const int64_t width : {1, 3, 32}) {
    std::mt19937_64 random(static_cast<uint64_t>(width));
    const auto table = std::make_shared<SnapshotTable>(width);
    std::vector<std::pair<Version, Plain>> versions{{table->empty(), {}}};
    for (int step = 0; step < 300; ++step) {
      const size_t from = random() % versions.size();
      const Change next = change(random, width, step < 150 ? 400 : 4'000);
      Plain plain = versions[from].second;
      apply(plain, next, width);
      versions.emplace_back(table->apply(*versions[from].first, next.ids, next.rows, next.deleted), plain);
      if (versions.size() > 6) versions.erase(versions.begin() + static_cast<int64_t>(random() % versions.size()));
      if (step % 5 == 0) table->collect();
      for (const auto& [version, wanted] : versions) check_equal(*version, wanted, width);
    }
    CHECK(table->stats().versions == 6);
  }
}

TEST(rows_that_nobody_reads_are_used_again) {
  std::mt19937_64 random(5);
  const auto table = std::make_shared<SnapshotTable>(4);
  Version latest = table->empty();
  int64_t bytes = 0;
  for (int step = 0; step < 400; ++step) {
    Change next = change(random, 4, 500);
    for (int64_t& id : next.ids) id += step / 100;  // other ids, by and by
    latest = table->apply(*latest, next.ids, next.rows, latest->ids());
    latest = table->apply(*latest, next.ids, next.rows, {});
    table->collect();
    const SnapshotTableStats stats = table->stats();
    if (step == 100) bytes = stats.row_bytes + stats.index_bytes;
    if (step > 100) CHECK(stats.row_bytes + stats.index_bytes <= bytes * 2);
  }
}

TEST(rows_that_versions_in_a_line_replace_are_used_again_when_those_before_are_gone) {
  std::mt19937_64 random(11);
  const int64_t width = 4, ids = 500;
  const auto table = std::make_shared<SnapshotTable>(width);
  std::vector<std::pair<Version, Plain>> versions{{table->empty(), {}}};
  int64_t bytes = 0;
  for (int step = 0; step < 400; ++step) {
    const Change next = change(random, width, ids);
    Plain plain = versions.back().second;
    apply(plain, next, width);
    versions.emplace_back(table->apply(*versions.back().first, next.ids, next.rows, next.deleted), plain);
    if (versions.size() > 4) versions.erase(versions.begin());
    for (const auto& [version, wanted] : versions) check_equal(*version, wanted, width);
    if (step == 100) bytes = table->stats().row_bytes;
  }
  CHECK(table->stats().row_bytes <= bytes * 5 / 4);
  CHECK(table->stats().row_bytes <= (ids + 6 * 260) * width * 4);
  // Only ids that are gone are left to look for, and the rows of the four.
  table->collect();
  const int64_t unused = table->stats().unused_row_bytes;
  table->collect();
  CHECK(table->stats().unused_row_bytes == unused);
}

TEST(a_version_that_follows_an_older_one_keeps_what_later_ones_replaced) {
  const auto table = std::make_shared<SnapshotTable>(1);
  const std::vector<int64_t> id{1};
  const auto set = [&](const Version& base, float to) { return table->apply(*base, id, std::vector<float>{to}, {}); };
  const auto row = [&](const Version& version) {
    float is = 0;
    version->gather(id, &is);
    return is;
  };
  Version first = set(table->empty(), 1);
  Version second = set(first, 2);
  const Version branch = table->apply(*first, std::vector<int64_t>{7}, std::vector<float>{7}, {});
  first.reset();
  second.reset();
  Version latest = branch;
  for (int step = 0; step < 20; ++step) {
    latest = table->apply(*latest, std::vector<int64_t>{100 + step}, std::vector<float>{9}, {});
    CHECK(row(branch) == 1);
    CHECK(row(latest) == 1);
  }
  CHECK(table->stats().rows_since_collected > 0);
  table->collect();
  CHECK(row(latest) == 1);
  CHECK(table->stats().unused_row_bytes == 4);
}

TEST(what_a_branch_leaves_is_to_be_looked_for_though_a_line_follows_it) {
  const auto table = std::make_shared<SnapshotTable>(1);
  std::vector<int64_t> ids(1'000);
  std::iota(ids.begin(), ids.end(), 0);
  const std::vector<float> rows(ids.size(), 1);
  Version base = table->apply(*table->empty(), ids, rows, {});
  Version left = table->apply(*base, ids, rows, {});
  table->collect();
  const auto one = [&](const Version& version, int64_t id) {
    return table->apply(*version, std::vector{id}, std::vector<float>{2}, {});
  };
  Version latest = one(base, 0);
  base.reset();
  left.reset();
  for (int64_t id = 1; id < 100; ++id) latest = one(latest, id);
  CHECK(table->stats().rows_since_collected == 100);
  table->collect();
  CHECK(table->stats().unused_row_bytes >= 1'000 * 4);
  for (int64_t id = 100; id < 1'000; ++id) latest = one(latest, id);
  CHECK(table->stats().rows_since_collected <= 2);
  // While an old version lives, what those between replace is not given back.
  const Version old = latest;
  for (int64_t id = 0; id < 1'000; ++id) latest = one(latest, id % 10);
  CHECK(table->stats().rows_since_collected >= 990);
  table->collect();
  CHECK(table->stats().rows_since_collected == 0);
  for (int64_t id = 0; id < 10; ++id) latest = one(latest, id);
  CHECK(table->stats().rows_since_collected == 10);
}

TEST(versions_are_made_and_collected_while_others_read) {
  std::mt19937_64 random(7);
  const auto table = std::make_shared<SnapshotTable>(2);
  // Every row of a version has the version's number, twice.
  std::mutex mutex;
  Version current = table->empty();
  std::atomic<bool> done = false;
  std::atomic<int64_t> torn = 0, read = 0;
  std::vector<int64_t> every(3'000);
  for (size_t i = 0; i < every.size(); ++i) every[i] = static_cast<int64_t>(i * 7);
  const auto reads = [&] {
    std::vector<float> rows(every.size() * 2);
    while (!done) {
      Version pinned;
      {
        const std::lock_guard lock(mutex);
        pinned = current;
      }
      pinned->gather(every, rows.data());
      for (const float value : rows) torn += value != rows[0] ? 1 : 0;
      ++read;
    }
  };
  const auto collects = [&] {
    while (!done) table->collect();
  };
  std::vector<std::thread> threads;
  threads.emplace_back(reads);
  threads.emplace_back(reads);
  threads.emplace_back(collects);
  for (int number = 1; number <= 200 || read < 50; ++number) {
    const std::vector<float> rows(every.size() * 2, static_cast<float>(number % 1'000));
    const Version next = table->apply(*current, every, rows, {});
    const std::lock_guard lock(mutex);
    current = next;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(torn == 0);
}

TEST(what_a_table_refuses) {
  CHECK_THROWS(SnapshotTable(0), "a row has 1 to 1048576 values: 0");
  const auto table = std::make_shared<SnapshotTable>(2), other = std::make_shared<SnapshotTable>(2);
  const Version empty = table->empty();
  const std::vector<int64_t> ids{1};
  CHECK_THROWS(table->apply(*empty, ids, std::vector<float>{1}, {}), "given 1 values");
  CHECK_THROWS(other->apply(*empty, ids, std::vector<float>{1, 2}, {}), "of another table");
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    CHECK_THROWS(table->apply(*empty, ids, std::vector<float>{1, bad}, {}), "not finite");
  }
}

}  // namespace feat

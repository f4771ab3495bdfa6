#include "engine/snapshot_table.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/error.h"
#include "engine/xxh64.h"

namespace feat {

namespace {

constexpr int64_t kWidest = int64_t{1} << 20;
constexpr size_t kAhead = 8;
constexpr size_t kAbreast = 32;
constexpr size_t kLine = 64, kFetchedLines = 8;

bool all_finite(std::span<const float> values) {
  constexpr uint32_t kExponent = 0x7f800000;
  bool finite = true;
  for (const float value : values) finite &= (std::bit_cast<uint32_t>(value) & kExponent) != kExponent;
  return finite;
}

void fetch_ahead(const float* row, size_t bytes) {
  for (size_t line = 0; line < std::min(bytes, kFetchedLines * kLine); line += kLine) {
    __builtin_prefetch(reinterpret_cast<const char*>(row) + line);
  }
}

// One bit a cell.
class Bits {
 public:
  explicit Bits(uint32_t count) : count_(count), words_((size_t{count} + 63) / 64) {}
  bool test(uint32_t bit) const { return (words_[bit / 64] >> (bit % 64) & 1) != 0; }
  // Of a cell that was made since it is not known.
  bool is_clear(uint32_t bit) const { return bit < count_ && !test(bit); }
  void set(uint32_t bit) {
    if (bit < count_) words_[bit / 64] |= uint64_t{1} << (bit % 64);
  }
  void set_all(const std::vector<uint32_t>& bits) {
    for (const uint32_t bit : bits) set(bit);
  }
  template <class Body>
  void each_clear(const Body& body) const {
    for (size_t at = 0; at < words_.size(); ++at) {
      const size_t left = count_ - at * 64;
      uint64_t clear = ~words_[at] & (left < 64 ? (uint64_t{1} << left) - 1 : ~uint64_t{0});
      for (; clear != 0; clear &= clear - 1)
        body(static_cast<uint32_t>(at * 64) + static_cast<uint32_t>(std::countr_zero(clear)));
    }
  }

 private:
  uint32_t count_;
  std::vector<uint64_t> words_;
};

}  // namespace

// --- sums -----------------------------------------------------------------------------------------------------------

void RowSum::add(const RowSum& other) {
  low += other.low;
  high += other.high + (low < other.low ? 1 : 0);
}

void RowSum::subtract(const RowSum& other) {
  high -= other.high + (low < other.low ? 1 : 0);
  low -= other.low;
}

RowSum sum_of_row(int64_t id, std::span<const float> row) {
  const std::string_view bytes(reinterpret_cast<const char*>(row.data()), row.size_bytes());
  const auto word = static_cast<uint64_t>(id);
  return {xxh64(bytes, xxh64(word, 0)), xxh64(bytes, xxh64(word, 1))};
}

// --- a version ------------------------------------------------------------------------------------------------------

Snapshot::Snapshot(std::shared_ptr<SnapshotTable> table) : table_(std::move(table)) {}

int64_t Snapshot::gather(std::span<const int64_t> ids, float* rows) const {
  const SnapshotTable& table = *table_;
  const size_t bytes = static_cast<size_t>(table.width_) * sizeof(float);
  uint32_t places[kAbreast];
  const uint32_t* numbers[kAbreast];
  const float* found[kAbreast];
  int64_t absent = 0;
  for (size_t from = 0; from < ids.size(); from += kAbreast) {
    const size_t count = std::min(kAbreast, ids.size() - from);
    table.index_.find(*slots_, ids.subspan(from, count), places);
    for (size_t k = 0; k < count; ++k) {
      const size_t leaf = places[k] / SnapshotTable::kLeaf;
      numbers[k] = nullptr;
      if (leaf >= leaves_.size() || leaves_[leaf] == SnapshotTable::kNone) continue;
      numbers[k] = table.leaf(leaves_[leaf]) + places[k] % SnapshotTable::kLeaf;
      __builtin_prefetch(numbers[k]);
    }
    for (size_t k = 0; k < count; ++k) {
      const bool there = numbers[k] != nullptr && *numbers[k] != SnapshotTable::kNone;
      found[k] = there ? table.row(*numbers[k]) : nullptr;
      if (there) fetch_ahead(found[k], bytes);
    }
    for (size_t k = 0; k < count; ++k, rows += table.width_) {
      if (found[k] != nullptr) {
        std::memcpy(rows, found[k], bytes);
      } else {
        std::memset(rows, 0, bytes);
        ++absent;
      }
    }
  }
  return absent;
}

std::vector<int64_t> Snapshot::ids() const {
  std::vector<int64_t> all;
  all.reserve(static_cast<size_t>(rows_));
  for (size_t i = 0; i < leaves_.size(); ++i) {
    if (leaves_[i] == SnapshotTable::kNone) continue;
    const uint32_t* numbers = table_->leaf(leaves_[i]);
    for (uint32_t k = 0; k < SnapshotTable::kLeaf; ++k) {
      if (numbers[k] == SnapshotTable::kNone) continue;
      all.push_back(table_->index_.id_at(static_cast<uint32_t>(i) * SnapshotTable::kLeaf + k));
    }
  }
  return all;
}

// --- a new version --------------------------------------------------------------------------------------------------

SnapshotTable::SnapshotTable(int64_t width)
    : width_(width), slab_(static_cast<size_t>(std::clamp<int64_t>(width, 1, kWidest)) * sizeof(float)) {
  if (width < 1 || width > kWidest) {
    throw EngineError("a row has 1 to " + std::to_string(kWidest) + " values: " + std::to_string(width));
  }
}

std::shared_ptr<const Snapshot> SnapshotTable::empty() {
  const std::lock_guard lock(mutex_);
  return follow(nullptr);
}

std::shared_ptr<const Snapshot> SnapshotTable::apply(const Snapshot& base, std::span<const int64_t> ids,
                                                     std::span<const float> rows, std::span<const int64_t> deleted) {
  if (base.table_.get() != this) throw EngineError("the version is of another table");
  if (rows.size() != ids.size() * static_cast<size_t>(width_)) {
    throw EngineError(std::to_string(ids.size()) + " ids of rows of " + std::to_string(width_) + " values, given " +
                      std::to_string(rows.size()) + " values");
  }
  if (!all_finite(rows)) throw EngineError("a value of a row is not finite");
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<Snapshot> made = follow(&base);
  Replaced replaced{made->number_, {}, {}};
  write(*made, base, ids, rows.data(), replaced);
  remove(*made, base, deleted, replaced);
  made->slots_ = index_.slots();
  note(base, std::move(replaced));
  rows_ = made->rows_;
  return made;
}

std::shared_ptr<Snapshot> SnapshotTable::follow(const Snapshot* base) {
  std::shared_ptr<Snapshot> made(new Snapshot(shared_from_this()));
  if (base != nullptr) {
    made->leaves_ = base->leaves_;
    made->rows_ = base->rows_;
    made->sum_ = base->sum_;
  }
  made->slots_ = index_.slots();
  made->number_ = numbers_++;
  std::erase_if(made_, [](const Made& one) { return one.version.expired(); });
  give_back_replaced();
  made_.push_back({made->number_, made});
  return made;
}

// What was replaced by the oldest version that lives, or by one before it.
void SnapshotTable::give_back_replaced() {
  const uint64_t oldest = made_.empty() ? numbers_ : made_.front().number;
  for (; !replaced_.empty() && replaced_.front().by <= oldest; replaced_.pop_front()) {
    for (const uint32_t number : replaced_.front().rows) slab_.give_back(number);
    for (const uint32_t number : replaced_.front().leaves) leaves_.give_back(number);
    noted_ -= static_cast<int64_t>(replaced_.front().rows.size());
  }
}

// A version has followed `base`: it may read what later ones have replaced.
void SnapshotTable::note(const Snapshot& base, Replaced replaced) {
  for (; !replaced_.empty() && replaced_.back().by > base.number_; replaced_.pop_back()) {
    noted_ -= static_cast<int64_t>(replaced_.back().rows.size());
  }
  noted_read_ = std::min(noted_read_, noted_);
  noted_ += static_cast<int64_t>(replaced.rows.size());
  replaced_.push_back(std::move(replaced));
}

// How many rows may be found that nobody reads: where versions branch, those of other branches than the version that
// was made last, and while an old one lives, what those between have replaced.
int64_t SnapshotTable::to_be_looked_for() const {
  const int64_t used = int64_t{slab_.made()} - static_cast<int64_t>(slab_.unused().size());
  return std::max<int64_t>(used - rows_ - noted_read_, 0);
}

// Where a version that is being made has the number of the row at a place: in a leaf of its own.
uint32_t* SnapshotTable::own_place(Snapshot& made, const Snapshot& base, uint32_t place, Replaced& replaced) {
  const size_t at = place / kLeaf;
  if (at >= made.leaves_.size()) made.leaves_.resize(at + 1, kNone);
  uint32_t& number = made.leaves_[at];
  const bool shared = at < base.leaves_.size() && number == base.leaves_[at];
  if (shared || number == kNone) {
    const uint32_t own = leaves_.take();
    if (meanwhile_) meanwhile_->leaves.push_back(own);
    if (number == kNone) {
      std::fill_n(leaf(own), kLeaf, kNone);
    } else {
      std::copy_n(leaf(number), kLeaf, leaf(own));
      replaced.leaves.push_back(number);
    }
    number = own;
  }
  return leaf(number) + place % kLeaf;
}

void SnapshotTable::write(Snapshot& made, const Snapshot& base, std::span<const int64_t> ids, const float* rows,
                          Replaced& replaced) {
  const size_t bytes = static_cast<size_t>(width_) * sizeof(float);
  std::vector<uint32_t> places(ids.size());
  index_.add(ids, places.data());
  if (meanwhile_) meanwhile_->places.insert(meanwhile_->places.end(), places.begin(), places.end());
  const auto number_at = [&](size_t i) -> const uint32_t* {
    const size_t at = places[i] / kLeaf;
    if (at >= base.leaves_.size() || base.leaves_[at] == kNone) return nullptr;
    return leaf(base.leaves_[at]) + places[i] % kLeaf;
  };
  for (size_t i = 0; i < ids.size(); ++i, rows += width_) {
    if (i + 2 * kAhead < ids.size()) __builtin_prefetch(number_at(i + 2 * kAhead));
    if (i + kAhead < ids.size()) {
      const uint32_t* ahead = number_at(i + kAhead);
      if (ahead != nullptr && *ahead != kNone) fetch_ahead(row(*ahead), bytes);
    }
    uint32_t& number = *own_place(made, base, places[i], replaced);
    if (number != kNone) {
      made.sum_.subtract(sum_of(ids[i], row(number)));
      replaced.rows.push_back(number);
    } else {
      ++made.rows_;
    }
    number = slab_.take();
    if (meanwhile_) meanwhile_->rows.push_back(number);
    std::memcpy(row(number), rows, bytes);
    made.sum_.add(sum_of(ids[i], rows));
  }
  written_ += static_cast<int64_t>(ids.size());
}

void SnapshotTable::remove(Snapshot& made, const Snapshot& base, std::span<const int64_t> ids, Replaced& replaced) {
  std::vector<uint32_t> places(ids.size());
  index_.find(*index_.slots(), ids, places.data());
  for (size_t i = 0; i < ids.size(); ++i) {
    const size_t at = places[i] / kLeaf;
    if (at >= made.leaves_.size() || made.leaves_[at] == kNone) continue;
    if (leaf(made.leaves_[at])[places[i] % kLeaf] == kNone) continue;
    uint32_t& number = *own_place(made, base, places[i], replaced);
    made.sum_.subtract(sum_of(ids[i], row(number)));
    replaced.rows.push_back(number);
    --made.rows_;
    ++deleted_;
    number = kNone;
  }
}

// --- what nobody reads any more -------------------------------------------------------------------------------------

struct SnapshotTable::Marks {
  Bits rows, leaves, places;
};

SnapshotTable::Living SnapshotTable::living() const {
  Living all;
  for (const auto& one : made_) {
    if (auto still = one.version.lock()) all.push_back(std::move(still));
  }
  return all;
}

void SnapshotTable::collect() {
  const std::lock_guard one_at_a_time(collecting_);
  Living all;
  std::unique_ptr<Marks> marks;
  {
    const std::lock_guard lock(mutex_);
    all = living();
    marks = std::make_unique<Marks>(Marks{Bits(slab_.made()), Bits(leaves_.made()), Bits(index_.places())});
    meanwhile_ = std::make_unique<Meanwhile>();
    written_ = deleted_ = 0;
  }
  mark(all, *marks);
  const std::lock_guard lock(mutex_);
  sweep(*marks);
  meanwhile_.reset();
}

void SnapshotTable::mark(const Living& living, Marks& marks) const {
  for (const auto& version : living) {
    for (size_t at = 0; at < version->leaves_.size(); ++at) {
      const uint32_t number = version->leaves_[at];
      if (number == kNone || marks.leaves.test(number)) continue;
      marks.leaves.set(number);
      const uint32_t* rows = leaf(number);
      for (uint32_t k = 0; k < kLeaf; ++k) {
        if (rows[k] == kNone) continue;
        marks.rows.set(rows[k]);
        marks.places.set(static_cast<uint32_t>(at) * kLeaf + k);
      }
    }
  }
}

void SnapshotTable::sweep(Marks& marks) {
  marks.rows.set_all(meanwhile_->rows);
  marks.leaves.set_all(meanwhile_->leaves);
  marks.places.set_all(meanwhile_->places);
  noted_ = 0;
  for (Replaced& one : replaced_) {  // what is found here is not to be given back again
    std::erase_if(one.rows, [&](uint32_t number) { return marks.rows.is_clear(number); });
    std::erase_if(one.leaves, [&](uint32_t number) { return marks.leaves.is_clear(number); });
    noted_ += static_cast<int64_t>(one.rows.size());
  }
  noted_read_ = noted_;
  marks.rows.set_all(slab_.unused());
  marks.leaves.set_all(leaves_.unused());
  marks.places.set_all(index_.unused());
  marks.rows.each_clear([&](uint32_t number) { slab_.give_back(number); });
  marks.leaves.each_clear([&](uint32_t number) { leaves_.give_back(number); });
  marks.places.each_clear([&](uint32_t place) { index_.forget(place); });
}

SnapshotTableStats SnapshotTable::stats() const {
  const std::lock_guard lock(mutex_);
  SnapshotTableStats now;
  for (const auto& one : made_) now.versions += one.version.expired() ? 0 : 1;
  const auto row_bytes = static_cast<int64_t>(static_cast<size_t>(width_) * sizeof(float));
  now.row_bytes = int64_t{slab_.made()} * row_bytes;
  now.unused_row_bytes = static_cast<int64_t>(slab_.unused().size()) * row_bytes;
  now.index_bytes = leaves_.bytes() + index_.bytes();
  now.rows_since_collected = std::min(written_, to_be_looked_for()) + deleted_;
  return now;
}

}  // namespace feat

#include "engine/item_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/xxh64.h"

namespace feat {

namespace {

constexpr int64_t kLargestSegment = int64_t{1} << 20;
constexpr int64_t kFewestSegments = 8;
constexpr size_t kFirstSlots = 1024;
constexpr uint32_t kAsked = 2;
constexpr size_t kAhead = 8;
constexpr uint32_t kFetchedVersions = 2;

constexpr int64_t round_up(int64_t bytes) { return (bytes + 7) & ~int64_t{7}; }

}  // namespace

std::string_view ItemCache::Header::key() const {
  return {reinterpret_cast<const char*>(version() + versions), key_size};
}

ItemCache::ItemCache(int64_t limit_bytes) : limit_bytes_(limit_bytes), slots_(kFirstSlots) {
  if (limit_bytes < int64_t{1} << 20) throw EngineError("an item cache has at least 1 MiB");
  // An eighth at most for counters: 2^20 of them from 32 MiB on.
  const auto counters = std::bit_floor(static_cast<uint64_t>(limit_bytes) / 8 / sizeof(uint32_t));
  counters_ = std::vector<std::atomic<uint32_t>>(std::min<uint64_t>(counters, uint64_t{1} << 20));
  const auto segment = std::bit_floor(static_cast<uint64_t>(limit_bytes) / 2 / kFewestSegments);
  segment_bytes_ = std::min(static_cast<int64_t>(segment), kLargestSegment);
  stats_.limit_bytes = limit_bytes;
}

uint64_t ItemCache::seed_of(std::string_view source) { return xxh64(source, 0); }

uint32_t ItemCache::counter_of(uint64_t seed, std::string_view key) const {
  return static_cast<uint32_t>(xxh64(key, seed) & (counters_.size() - 1));
}

void ItemCache::changed(std::string_view source, const Keys& keys) {
  const uint64_t seed = seed_of(source);
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys.present(i)) counters_[counter_of(seed, keys[i])].fetch_add(1, std::memory_order_acq_rel);
  }
}

bool ItemCache::fresh(const Header& entry, int64_t epoch) const {
  if (entry.epoch != epoch) return false;
  const Version* versions = entry.version();
  for (uint32_t v = 0; v < entry.versions; ++v) {
    if (shown(versions[v].counter) != versions[v].shows) return false;
  }
  return true;
}

ItemCacheStats ItemCache::stats() const {
  const std::lock_guard lock(mutex_);
  ItemCacheStats now = stats_;
  now.entries -= now.part_entries;
  now.bytes = bytes_in_use() + (spare_ ? segment_bytes_ : 0);
  return now;
}

int64_t ItemCache::bytes_in_use() const {
  return static_cast<int64_t>(counters_.size() * sizeof(uint32_t) + slots_.size() * sizeof(Slot) +
                              order_.size() * static_cast<size_t>(segment_bytes_));
}

// --- the index: open addressing, entries moved back when one before them goes --------------------------------------

size_t ItemCache::slot_of(uint64_t hash, uint32_t table, std::string_view key) const {
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const Slot& slot = slots_[at];
    if (slot.used == 0) return slots_.size();
    if (slot.hash != hash) continue;
    const Header& entry = *entry_of(slot);
    if (entry.table == table && entry.key() == key) return at;
  }
}

void ItemCache::remove(size_t slot) {
  if (const Header& entry = *entry_of(slots_[slot]); entry.is_part) {
    --stats_.part_entries;
    stats_.part_bytes -= entry.size;
  }
  const size_t mask = slots_.size() - 1;
  for (size_t next = (slot + 1) & mask; slots_[next].used != 0; next = (next + 1) & mask) {
    const size_t home = slots_[next].hash & mask;
    if (((next - home) & mask) < ((next - slot) & mask)) continue;  // it would stand before its home
    slots_[slot] = slots_[next];
    slot = next;
  }
  slots_[slot] = {};
  --stats_.entries;
}

void ItemCache::index(uint64_t hash, uint32_t segment, int64_t place) {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at].used != 0) at = (at + 1) & mask;
  slots_[at] = {hash, segment, static_cast<uint32_t>(place / 8), 1};
  ++stats_.entries;
}

void ItemCache::grow_index() {
  std::vector<Slot> larger(slots_.size() * 2);
  const size_t mask = larger.size() - 1;
  for (const Slot& slot : slots_) {
    if (slot.used == 0) continue;
    size_t at = slot.hash & mask;
    while (larger[at].used != 0) at = (at + 1) & mask;
    larger[at] = slot;
  }
  slots_ = std::move(larger);
}

// --- segments ------------------------------------------------------------------------------------------------------

// Room for an entry in the segment that is being filled; null where there is none to be had.
char* ItemCache::room(int64_t size) {
  if (order_.empty() || segments_[order_.back()]->used + size > segment_bytes_ - kPackedSlack) {
    if (!next_segment()) return nullptr;
  }
  Segment& filling = *segments_[order_.back()];
  if (filling.used + size > segment_bytes_ - kPackedSlack) return nullptr;
  char* place = filling.memory.get() + filling.used;
  filling.used += size;
  return place;
}

// Another segment to fill. Where that would be too much memory the oldest goes; its entries that were asked for move
// to the new one, at most half a segment of them.
bool ItemCache::next_segment() {
  std::shared_ptr<Segment> oldest;
  while (!order_.empty() && bytes_in_use() + 2 * segment_bytes_ > limit_bytes_) {
    if (oldest != nullptr) let_go(oldest, false);
    oldest = segments_[order_.front()];
    order_.pop_front();
  }
  const bool enough = bytes_in_use() + 2 * segment_bytes_ <= limit_bytes_;
  if (enough) {
    auto filling = std::make_shared<Segment>();
    filling->memory =
        spare_ ? std::move(spare_) : std::make_unique_for_overwrite<char[]>(static_cast<size_t>(segment_bytes_));
    filling->number = static_cast<uint32_t>(std::ranges::find(segments_, nullptr) - segments_.begin());
    if (filling->number == segments_.size()) segments_.emplace_back();
    segments_[filling->number] = filling;
    order_.push_back(filling->number);
  }
  if (oldest != nullptr) let_go(oldest, enough);
  return enough;
}

void ItemCache::let_go(std::shared_ptr<Segment>& oldest, bool move_on) {
  const uint32_t number = oldest->number;
  for (int64_t place = 0; place < oldest->used;) {
    const Header& entry = *oldest->at(place);
    const size_t at = slot_of(entry.hash, entry.table, entry.key());
    if (at < slots_.size() && slots_[at].segment == number && int64_t{slots_[at].place} * 8 == place) {
      Segment* filling = move_on ? segments_[order_.back()].get() : nullptr;
      if (filling != nullptr && slots_[at].used == kAsked && filling->used + entry.size <= segment_bytes_ / 2) {
        std::memcpy(filling->memory.get() + filling->used, &entry, entry.size);
        slots_[at].segment = filling->number;
        slots_[at].place = static_cast<uint32_t>(filling->used / 8);
        slots_[at].used = 1;
        filling->used += entry.size;
      } else {
        stats_.evicted += !entry.is_part;
        remove(at);
      }
    }
    place += entry.size;
  }
  segments_[number] = nullptr;
  if (oldest.use_count() == 1 && spare_ == nullptr) spare_ = std::move(oldest->memory);
  oldest = nullptr;
}

bool ItemCache::insert(Header header, std::span<const Version> versions, std::string_view key,
                       std::span<const char> row) {
  const auto behind = static_cast<int64_t>(versions.size_bytes() + key.size());
  const int64_t row_place = round_up(static_cast<int64_t>(sizeof(Header)) + behind);
  const int64_t size = round_up(row_place + static_cast<int64_t>(row.size()));
  if (size > segment_bytes_ / 2) {
    ++stats_.too_large;
    return false;
  }
  const size_t known = slot_of(header.hash, header.table, key);
  if (known < slots_.size()) remove(known);
  if (static_cast<size_t>(stats_.entries + 1) * 8 > slots_.size() * 5) grow_index();
  char* place = room(size);
  if (place == nullptr) return false;
  header.size = static_cast<uint32_t>(size);
  header.row_place = static_cast<uint32_t>(row_place);
  header.key_size = static_cast<uint32_t>(key.size());
  header.versions = static_cast<uint32_t>(versions.size());
  std::memcpy(place, &header, sizeof header);
  if (!versions.empty()) std::memcpy(place + sizeof header, versions.data(), versions.size_bytes());
  if (!key.empty()) std::memcpy(place + sizeof header + versions.size_bytes(), key.data(), key.size());
  if (!row.empty()) std::memcpy(place + row_place, row.data(), row.size());
  const Segment& filling = *segments_[order_.back()];
  index(header.hash, filling.number, place - filling.memory.get());
  if (header.is_part) {
    ++stats_.part_entries;
    stats_.part_bytes += size;
  } else {
    ++stats_.inserted;
  }
  return true;
}

// --- a call's items --------------------------------------------------------------------------------------------------

ItemTable::ItemTable(std::shared_ptr<ItemCache> cache, std::vector<NamedType> columns)
    : cache_(std::move(cache)), layout_(std::move(columns)), number_(cache_->tables_.fetch_add(1)) {}

ItemLookup ItemTable::begin(Keys keys) const {
  ItemLookup found(shared_from_this());
  const size_t count = keys.size();
  found.rows_.resize(count);
  found.statuses_.resize(count);
  found.numbers_.resize(count);
  found.hashes_.reserve(count);
  for (size_t i = 0; i < count; ++i) found.hashes_.push_back(xxh64(keys[i], number_));
  found.epoch_ = epoch_.load(std::memory_order_acquire);
  found.keys_ = std::move(keys);
  return found;
}

ItemLookup ItemTable::find(Keys given, int64_t now) const {
  ItemLookup found = begin(std::move(given));
  const Keys& keys = found.keys_;
  const size_t count = keys.size();
  ItemCache& cache = *cache_;
  const std::lock_guard lock(cache.mutex_);
  const auto slot_at = [&](size_t i) { return &cache.slots_[found.hashes_[i] & (cache.slots_.size() - 1)]; };
  const auto fetch_versions = [&](const ItemCache::Header& entry) {
    for (uint32_t v = 0; v < std::min(entry.versions, kFetchedVersions); ++v) {
      __builtin_prefetch(&cache.counters_[entry.version()[v].counter]);
    }
  };
  std::vector<bool> held(cache.segments_.size());
  for (size_t i = 0; i < count; ++i) {
    if (i + 2 * kAhead < count) __builtin_prefetch(slot_at(i + 2 * kAhead));
    if (i + kAhead < count && slot_at(i + kAhead)->used != 0) __builtin_prefetch(cache.entry_of(*slot_at(i + kAhead)));
    if (i + kAhead / 2 < count && slot_at(i + kAhead / 2)->used != 0) {
      fetch_versions(*cache.entry_of(*slot_at(i + kAhead / 2)));
    }
    const size_t at = cache.slot_of(found.hashes_[i], number_, keys[i]);
    if (at < cache.slots_.size()) {
      ItemCache::Slot& slot = cache.slots_[at];
      const ItemCache::Header& entry = *cache.entry_of(slot);
      const bool stale = !cache.fresh(entry, found.epoch_);
      if (!stale && now < entry.expires_at) {
        found.rows_[i] = entry.row();
        found.statuses_[i] = static_cast<uint8_t>(entry.status);
        found.numbers_[i] = entry.number;
        slot.used = kAsked;
        cache.stats_.hit_age_ns += now - entry.made_at;
        if (!held[slot.segment]) found.held_.push_back(cache.segments_[slot.segment]);
        held[slot.segment] = true;
        continue;
      }
      ++(stale ? cache.stats_.stale : cache.stats_.expired);
      cache.remove(at);
    }
    found.missing_.push_back(static_cast<int64_t>(i));
  }
  cache.stats_.misses += static_cast<int64_t>(found.missing_.size());
  cache.stats_.hits += static_cast<int64_t>(count - found.missing_.size());
  return found;
}

ItemLookup ItemTable::find_parts(const ItemLookup& rows) const {
  ItemLookup found = begin(rows.keys_);
  found.numbers_ = rows.numbers_;
  const auto count = found.rows_.size();
  ItemCache& cache = *cache_;
  const std::lock_guard lock(cache.mutex_);
  const auto slot_at = [&](size_t i) { return &cache.slots_[found.hashes_[i] & (cache.slots_.size() - 1)]; };
  std::vector<bool> held(cache.segments_.size());
  for (size_t i = 0; i < count; ++i) {
    if (i + 2 * kAhead < count) __builtin_prefetch(slot_at(i + 2 * kAhead));
    if (i + kAhead < count && slot_at(i + kAhead)->used != 0) __builtin_prefetch(cache.entry_of(*slot_at(i + kAhead)));
    const size_t at = cache.slot_of(found.hashes_[i], number_, found.keys_[i]);
    if (at < cache.slots_.size()) {
      ItemCache::Slot& slot = cache.slots_[at];
      const ItemCache::Header& entry = *cache.entry_of(slot);
      if (entry.number == found.numbers_[i]) {
        found.rows_[i] = entry.row();
        slot.used = kAsked;
        if (!held[slot.segment]) found.held_.push_back(cache.segments_[slot.segment]);
        held[slot.segment] = true;
        continue;
      }
    }
    found.missing_.push_back(static_cast<int64_t>(i));
  }
  cache.stats_.part_misses += std::ssize(found.missing_);
  cache.stats_.part_hits += static_cast<int64_t>(count) - std::ssize(found.missing_);
  return found;
}

ItemColumns ItemTable::without(std::span<const std::string> columns) const {
  return {shared_from_this(), layout_.without(columns)};
}

void ItemLookup::made_of(std::string_view source, const Keys& keys, std::span<const int64_t> lengths) {
  const ItemCache& cache = *table_->cache_;
  const uint64_t seed = ItemCache::seed_of(source);
  size_t key = 0;
  for (size_t m = 0; m < missing_.size(); ++m) {
    const size_t end = lengths.data() == nullptr ? m + 1 : key + static_cast<size_t>(lengths[m]);
    if (end > keys.size()) throw EngineError("not as many keys as the items have");
    for (; key < end; ++key) {
      if (!keys.present(key)) continue;
      const uint32_t counter = cache.counter_of(seed, keys[key]);
      versions_.push_back({m, {counter, cache.shown(counter)}});
    }
  }
  if (key != keys.size()) throw EngineError("not as many keys as the items have");
}

void ItemLookup::take(const Batch& made) {
  if (made.num_rows() != std::ssize(missing_)) throw EngineError("not as many rows as items are missing");
  made_ = table_->layout_.pack(made);
  for (size_t m = 0; m < missing_.size(); ++m) {
    rows_[static_cast<size_t>(missing_[m])] = made_.row(static_cast<int64_t>(m)).data();
  }
}

void ItemLookup::add(const Batch& made, std::span<const uint8_t> statuses, int64_t now, int64_t expires_at,
                     int64_t others_expire_at) {
  const size_t count = missing_.size();
  if (statuses.size() != count) throw EngineError("not as many rows as items are missing");
  take(made);
  for (size_t m = 0; m < count; ++m) statuses_[static_cast<size_t>(missing_[m])] = statuses[m];
  if (std::max(expires_at, others_expire_at) <= now) return;
  std::ranges::stable_sort(versions_, {}, &MadeOf::missing);
  std::vector<ItemCache::Version> versions;
  ItemCache& cache = *table_->cache_;
  const std::lock_guard lock(cache.mutex_);
  size_t at = 0;
  for (size_t m = 0; m < count; ++m) {
    versions.clear();
    for (; at < versions_.size() && versions_[at].missing == m; ++at) versions.push_back(versions_[at].version);
    const int64_t until = statuses[m] == 0 ? expires_at : others_expire_at;
    if (until <= now) continue;
    const auto item = static_cast<size_t>(missing_[m]);
    ItemCache::Header header{};
    header.hash = hashes_[item];
    header.made_at = now;
    header.expires_at = until;
    header.epoch = epoch_;
    header.table = table_->number_;
    header.status = statuses[m];
    header.number = cache.last_number_ + 1;
    if (!cache.insert(header, versions, keys_[item], made_.row(static_cast<int64_t>(m)))) continue;
    numbers_[item] = ++cache.last_number_;
  }
}

void ItemLookup::add_parts(const Batch& made) {
  take(made);
  ItemCache& cache = *table_->cache_;
  const std::lock_guard lock(cache.mutex_);
  for (size_t m = 0; m < missing_.size(); ++m) {
    const auto item = static_cast<size_t>(missing_[m]);
    if (numbers_[item] == 0) continue;
    ItemCache::Header header{};
    header.hash = hashes_[item];
    header.number = numbers_[item];
    header.table = table_->number_;
    header.is_part = true;
    cache.insert(header, {}, keys_[item], made_.row(static_cast<int64_t>(m)));
  }
}

std::vector<const char*> ItemLookup::pick(std::span<const int64_t> items) const {
  std::vector<const char*> rows;
  rows.reserve(items.size());
  for (const int64_t item : items) {
    const char* row = item < 0 || item >= size() ? nullptr : rows_[static_cast<size_t>(item)];
    if (row == nullptr) throw EngineError("an item that is not there: " + std::to_string(item));
    rows.push_back(row);
  }
  return rows;
}

Batch ItemLookup::rows(std::span<const int64_t> items) const { return table_->layout_.unpack(pick(items)); }

Batch ItemLookup::rows(std::span<const int64_t> items, const ItemColumns& columns) const {
  if (columns.table != table_) throw EngineError("columns of another table");
  return columns.layout.unpack(pick(items));
}

}  // namespace feat

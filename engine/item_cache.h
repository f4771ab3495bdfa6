// Results of the item stage, kept from call to call: bounded in bytes, dropped when a row that they were made of
// changes.
//
// Entries lie one after the other in segments, which are filled once and reused whole: a new segment takes the place
// of the oldest, whose entries are let go but for those that were asked for since, which move on (a clock over
// segments). So the memory never grows or splinters, and an entry that is being read is never overwritten: whoever
// reads holds its segment.
//
// What an entry was made of is kept as versions: every (source, key) falls on one of many counters, which a change
// moves. An entry keeps what its counters showed *before* its rows were read; where one shows another number it is
// stale. So a change that comes while a row is on its way is not missed, and two keys on one counter drop an entry
// too many, never one too few.
//
// Parts are what a model makes of an item's row. They are entries of their own, in a table for each version of the
// model, and are found beside the very row that they were made of: every row that is kept has a number of its own, and
// a part keeps the number of its row. So a part goes, whatever makes its row go.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "engine/batch.h"
#include "engine/keys.h"
#include "engine/packed_rows.h"

namespace feat {

struct ItemCacheStats {
  int64_t hits = 0, misses = 0;  // items that were asked for
  int64_t part_hits = 0, part_misses = 0;
  int64_t part_entries = 0, part_bytes = 0;  // not among the entries; among the bytes
  int64_t expired = 0, stale = 0;            // of the misses: too old; made of a row that changed
  int64_t inserted = 0, evicted = 0, too_large = 0;
  int64_t entries = 0, bytes = 0, limit_bytes = 0;
  int64_t hit_age_ns = 0;  // of all hits together
};

class ItemTable;
struct ItemColumns;

// Thread safe. Times are nanoseconds of any clock that does not go back.
class ItemCache {
 public:
  // Errors: EngineError below 1 MiB.
  explicit ItemCache(int64_t limit_bytes);
  ItemCache(const ItemCache&) = delete;
  ItemCache& operator=(const ItemCache&) = delete;

  // These rows of a source are others now.
  void changed(std::string_view source, const Keys& keys);
  ItemCacheStats stats() const;

 private:
  friend class ItemTable;
  friend class ItemLookup;

  struct Version {
    uint32_t counter, shows;
  };
  // Before an entry's versions, key and row (the row at a multiple of 8).
  struct Header {
    uint64_t hash;
    int64_t made_at, expires_at, epoch;
    uint64_t number;  // of the row; of a part's row
    uint32_t size;    // of all together
    uint32_t table, key_size, versions;
    uint16_t status, is_part;
    uint32_t row_place;
    std::string_view key() const;
    const char* row() const { return reinterpret_cast<const char*>(this) + row_place; }
    const Version* version() const { return reinterpret_cast<const Version*>(this + 1); }
  };
  struct Segment {
    const Header* at(int64_t place) const { return reinterpret_cast<const Header*>(memory.get() + place); }
    std::unique_ptr<char[]> memory;
    int64_t used = 0;
    uint32_t number = 0;
  };
  struct Slot {
    uint64_t hash = 0;
    uint32_t segment = 0, place = 0;  // place in units of 8 bytes
    uint32_t used = 0;                // 0: free; else 1, or 2 when it was asked for lately
  };

  static uint64_t seed_of(std::string_view source);
  uint32_t counter_of(uint64_t seed, std::string_view key) const;
  uint32_t shown(uint32_t counter) const { return counters_[counter].load(std::memory_order_acquire); }
  bool fresh(const Header& entry, int64_t epoch) const;

  // Under the lock:
  const Header* entry_of(const Slot& slot) const { return segments_[slot.segment]->at(int64_t{slot.place} * 8); }
  size_t slot_of(uint64_t hash, uint32_t table, std::string_view key) const;
  void remove(size_t slot);
  bool insert(Header header, std::span<const Version> versions, std::string_view key, std::span<const char> row);
  char* room(int64_t size);
  void index(uint64_t hash, uint32_t segment, int64_t place);
  void grow_index();
  bool next_segment();
  void let_go(std::shared_ptr<Segment>& oldest, bool move_on);
  int64_t bytes_in_use() const;

  const int64_t limit_bytes_;
  int64_t segment_bytes_;
  std::vector<std::atomic<uint32_t>> counters_;
  std::atomic<uint32_t> tables_ = 0;

  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  std::vector<std::shared_ptr<Segment>> segments_;  // by number
  std::deque<uint32_t> order_;                      // their numbers, the oldest first; the last is being filled
  std::unique_ptr<char[]> spare_;                   // of the last that went
  uint64_t last_number_ = 0;                        // of a row
  ItemCacheStats stats_;
};

// One call's items in a table: what is there, and what has to be made. Not thread safe.
class ItemLookup {
 public:
  int64_t size() const { return static_cast<int64_t>(rows_.size()); }
  // The items that are not there, by their place.
  const std::vector<int64_t>& missing() const { return missing_; }
  // By item.
  const std::vector<uint8_t>& statuses() const { return statuses_; }

  ItemLookup(ItemLookup&&) = default;
  ItemLookup& operator=(ItemLookup&&) = default;
  // That the missing items are made of rows of this source: `keys` one an item, or so many of them an item as `lengths`
  // says (unless its data is null). To be said before these rows are read. Errors: EngineError when they are not as
  // many.
  void made_of(std::string_view source, const Keys& keys, std::span<const int64_t> lengths);
  // The missing items' rows as made, and their statuses; kept for other calls until `expires_at` (by status: of 0, of
  // any other) unless that is not later than `now`. Errors: EngineError when they are not as many.
  void add(const Batch& made, std::span<const uint8_t> statuses, int64_t now, int64_t expires_at,
           int64_t others_expire_at);
  // Of parts: the missing ones as made; kept beside rows that are kept. Errors: EngineError when they are not as many.
  void add_parts(const Batch& made);
  // The items at these places, all columns or some. All items must be there or made. Errors: EngineError.
  Batch rows(std::span<const int64_t> items) const;
  Batch rows(std::span<const int64_t> items, const ItemColumns& columns) const;

 private:
  friend class ItemTable;
  struct MadeOf {
    size_t missing;  // which of them
    ItemCache::Version version;
  };
  explicit ItemLookup(std::shared_ptr<const ItemTable> table) : table_(std::move(table)) {}
  void take(const Batch& made);
  std::vector<const char*> pick(std::span<const int64_t> items) const;

  std::shared_ptr<const ItemTable> table_;
  Keys keys_;
  std::vector<uint64_t> hashes_;
  std::vector<const char*> rows_;  // null: not there yet
  std::vector<uint64_t> numbers_;  // of the rows; 0: not kept
  std::vector<uint8_t> statuses_;
  std::vector<int64_t> missing_;
  std::vector<MadeOf> versions_;
  std::vector<std::shared_ptr<ItemCache::Segment>> held_;
  PackedRows made_;
  int64_t epoch_ = 0;
};

// The items of one program in a cache. Thread safe.
class ItemTable : public std::enable_shared_from_this<ItemTable> {
 public:
  // Columns: those of the item stage's batches.
  ItemTable(std::shared_ptr<ItemCache> cache, std::vector<NamedType> columns);

  ItemLookup find(Keys keys, int64_t now) const;
  // Of a table of parts: what was made of these very rows, all of which are there or made.
  ItemLookup find_parts(const ItemLookup& rows) const;
  ItemColumns without(std::span<const std::string> columns) const;
  // Forgets all of its items.
  void drop() { epoch_.fetch_add(1, std::memory_order_acq_rel); }

 private:
  friend class ItemLookup;
  ItemLookup begin(Keys keys) const;

  const std::shared_ptr<ItemCache> cache_;
  const PackedLayout layout_;
  const uint32_t number_;
  std::atomic<int64_t> epoch_ = 0;
};

// Some columns of a table's items.
struct ItemColumns {
  std::shared_ptr<const ItemTable> table;
  PackedLayout layout;
};

}  // namespace feat

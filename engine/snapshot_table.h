// An embedding table of which several versions are there at once: rows of floats by 64-bit id.
//
// A version (`Snapshot`) never changes. One that follows it shares all rows that it does not write: rows lie one after
// the other in a slab, 64 of their numbers in a leaf, and a version is the list of its leaves. So a version that writes
// few rows of many costs those rows, a leaf for each, and the list. Versions may follow any other, also one that is
// not the latest: after a rollback they do.
//
// What a version no longer reads of those before it is noted when it is made, and used again when they are gone. Where
// versions branch, what no living one reads any more is found by `collect`, which marks from the living ones.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "engine/cells.h"
#include "engine/id_index.h"

namespace feat {

// The sum of a hash of every row with its id, modulo 2^128: tables are equal if, but for chance, their sums are,
// whatever the order their rows came in.
struct RowSum {
  uint64_t low = 0, high = 0;
  void add(const RowSum& other);
  void subtract(const RowSum& other);
  bool operator==(const RowSum&) const = default;
};
RowSum sum_of_row(int64_t id, std::span<const float> row);

class SnapshotTable;

// One version of a table. Thread safe.
class Snapshot {
 public:
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  int64_t rows() const { return rows_; }
  const RowSum& sum() const { return sum_; }
  // The rows of ids, one after the other; zeros for an id that has none. Returns how many have none.
  int64_t gather(std::span<const int64_t> ids, float* rows) const;
  // The ids that have a row, in no order to rely on; every version that shares a history gives them in the same.
  std::vector<int64_t> ids() const;
  const std::shared_ptr<SnapshotTable>& table() const { return table_; }

 private:
  friend class SnapshotTable;
  explicit Snapshot(std::shared_ptr<SnapshotTable> table);
  uint32_t row_at(uint32_t place) const;

  std::shared_ptr<SnapshotTable> table_;
  IdIndex::SharedSlots slots_;
  std::vector<uint32_t> leaves_;
  uint64_t number_ = 0;  // in the order that versions of the table were made in
  int64_t rows_ = 0;
  RowSum sum_;
};

struct SnapshotTableStats {
  int64_t versions = 0;              // living ones
  int64_t row_bytes = 0;             // of rows that were made, unused ones too
  int64_t index_bytes = 0;           // all else
  int64_t unused_row_bytes = 0;      // to be used again
  int64_t rows_since_collected = 0;  // written since `collect` last looked, as far as it may find so many, or deleted
};

// What versions of one table have in common. Thread safe: versions are made one at a time, reading waits for nobody.
class SnapshotTable : public std::enable_shared_from_this<SnapshotTable> {
 public:
  // `width`: floats a row. Errors: EngineError below 1 and above 2^20.
  explicit SnapshotTable(int64_t width);

  int64_t width() const { return width_; }
  // A version without rows.
  std::shared_ptr<const Snapshot> empty();
  // What `base` has, but for these: `rows` of `ids`, `width` floats each, in the place of those they had, and none of
  // the `deleted`, which need not be there. Written twice, the later row counts; an id in both is deleted.
  // Errors: EngineError when there are not as many rows as ids, a value is not finite, or the base is another table's.
  std::shared_ptr<const Snapshot> apply(const Snapshot& base, std::span<const int64_t> ids, std::span<const float> rows,
                                        std::span<const int64_t> deleted);
  // Finds rows and places that no living version reads, for later versions to use. Readers go on, and so does `apply`
  // but for moments.
  void collect();
  SnapshotTableStats stats() const;

 private:
  friend class Snapshot;
  static constexpr uint32_t kLeaf = 64;
  static constexpr uint32_t kNone = Cells::kNone;
  using Living = std::vector<std::shared_ptr<const Snapshot>>;
  struct Marks;
  // What version `by` does not read of the one that it follows: nobody does once all versions before it are gone,
  // unless a later one follows one of these.
  struct Replaced {
    uint64_t by = 0;
    std::vector<uint32_t> rows, leaves;
  };

  uint32_t* leaf(uint32_t number) const { return leaves_.at<uint32_t>(number); }
  float* row(uint32_t number) const { return slab_.at<float>(number); }
  RowSum sum_of(int64_t id, const float* row) const { return sum_of_row(id, {row, static_cast<size_t>(width_)}); }

  // Under the lock:
  std::shared_ptr<Snapshot> follow(const Snapshot* base);
  uint32_t* own_place(Snapshot& made, const Snapshot& base, uint32_t place, Replaced& replaced);
  void write(Snapshot& made, const Snapshot& base, std::span<const int64_t> ids, const float* rows, Replaced& replaced);
  void remove(Snapshot& made, const Snapshot& base, std::span<const int64_t> ids, Replaced& replaced);
  void give_back_replaced();
  void note(const Snapshot& base, Replaced replaced);
  int64_t to_be_looked_for() const;
  Living living() const;
  void sweep(Marks& marks);
  void mark(const Living& living, Marks& marks) const;

  const int64_t width_;
  mutable std::mutex mutex_;
  Cells slab_;
  Cells leaves_{kLeaf * sizeof(uint32_t)};
  IdIndex index_;
  struct Made {
    uint64_t number;
    std::weak_ptr<const Snapshot> version;
  };
  std::vector<Made> made_;  // by number
  uint64_t numbers_ = 0;
  std::deque<Replaced> replaced_;  // by who replaced it
  int64_t rows_ = 0;               // of the version that was made last
  // Rows in `replaced_`, and at most how many of them the last `collect` found to be read.
  int64_t noted_ = 0, noted_read_ = 0;
  // Since the last `collect`: rows that were written, and ids that lost theirs.
  int64_t written_ = 0, deleted_ = 0;

  std::mutex collecting_;
  // What was taken while `collect` marks.
  struct Meanwhile {
    std::vector<uint32_t> rows, leaves, places;
  };
  std::unique_ptr<Meanwhile> meanwhile_;
};

}  // namespace feat

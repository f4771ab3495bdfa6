// Which place each id of a table has. Places are given once and kept: an id that a version has no row for keeps its
// place, until no version has one.
//
// One thread at a time adds and forgets; any reads, at the same time, through the `Slots` of a version. A version's
// slots hold all ids that it has, and may hold others: who reads compares what it finds at the place.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/cells.h"

namespace feat {

class IdIndex {
 public:
  static constexpr uint32_t kNone = Cells::kNone;

  // Open addressing: half of an id's hash in the upper bits, its place + 1 in the lower; 0 is free.
  class Slots {
   public:
    explicit Slots(size_t count);
    size_t size() const { return mask_ + 1; }
    int64_t bytes() const { return static_cast<int64_t>(size() * sizeof(uint64_t)); }

   private:
    friend class IdIndex;
    uint64_t* at(uint64_t number) const { return reinterpret_cast<uint64_t*>(memory_.data()) + (number & mask_); }
    uint64_t load(uint64_t number) const { return std::atomic_ref(*at(number)).load(std::memory_order_acquire); }
    void store(uint64_t number, uint64_t slot) const {
      std::atomic_ref(*at(number)).store(slot, std::memory_order_release);
    }
    HugePages memory_;
    size_t mask_;
  };
  using SharedSlots = std::shared_ptr<const Slots>;

  IdIndex();

  // The slots as they are now; later ones hold what these hold.
  SharedSlots slots() const { return slots_; }
  // The places of ids, kNone of those that have none.
  void find(const Slots& slots, std::span<const int64_t> ids, uint32_t* places) const;
  // The places of ids, given where they have none. Errors: EngineError when there are Cells::kMost.
  void add(std::span<const int64_t> ids, uint32_t* places);
  // The id at a place is gone from all versions: the place is for another one.
  void forget(uint32_t place);
  int64_t id_at(uint32_t place) const { return std::atomic_ref(*id(place)).load(std::memory_order_relaxed); }
  // Places are below it.
  uint32_t places() const { return ids_.made(); }
  // Places that were forgotten.
  const std::vector<uint32_t>& unused() const { return ids_.unused(); }
  int64_t bytes() const { return ids_.bytes() + slots_->bytes(); }

 private:
  int64_t* id(uint32_t place) const { return ids_.at<int64_t>(place); }
  void rebuild();

  Cells ids_{sizeof(int64_t)};
  std::shared_ptr<Slots> slots_;
  size_t used_ = 0;     // slots that are not free: of ids, and of forgotten ones
  size_t present_ = 0;  // ids
};

}  // namespace feat

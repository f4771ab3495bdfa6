#include "engine/id_index.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/xxh64.h"

namespace feat {

namespace {

constexpr size_t kFirstSlots = 64;
constexpr uint64_t kForgotten = UINT32_MAX;  // no id's: its place would be Cells::kMost
constexpr size_t kAbreast = 32;

uint64_t hash_of(int64_t id) { return xxh64(static_cast<uint64_t>(id), 0); }
// What the slot of an id says.
uint64_t slot_of(uint64_t hash, uint32_t place) { return (hash & 0xffffffff00000000) | (uint64_t{place} + 1); }
uint32_t place_in(uint64_t slot) { return static_cast<uint32_t>(slot) - 1; }
bool has_place(uint64_t slot) { return slot != 0 && slot != kForgotten; }

}  // namespace

IdIndex::Slots::Slots(size_t count) : memory_(count * sizeof(uint64_t)), mask_(count - 1) {
  std::memset(memory_.data(), 0, count * sizeof(uint64_t));
}

IdIndex::IdIndex() : slots_(std::make_shared<Slots>(kFirstSlots)) {}

void IdIndex::find(const Slots& slots, std::span<const int64_t> ids, uint32_t* places) const {
  uint64_t hashes[kAbreast], first[kAbreast];
  for (size_t from = 0; from < ids.size(); from += kAbreast) {
    const size_t count = std::min(kAbreast, ids.size() - from);
    for (size_t k = 0; k < count; ++k) {
      hashes[k] = hash_of(ids[from + k]);
      __builtin_prefetch(slots.at(hashes[k]));
    }
    for (size_t k = 0; k < count; ++k) {
      first[k] = slots.load(hashes[k]);
      if (has_place(first[k])) __builtin_prefetch(id(place_in(first[k])));
    }
    for (size_t k = 0; k < count; ++k) {
      uint32_t& place = places[from + k] = kNone;
      uint64_t slot = first[k];
      for (uint64_t at = hashes[k]; slot != 0; slot = slots.load(++at)) {
        if (slot == kForgotten || (slot ^ hashes[k]) >> 32 != 0 || id_at(place_in(slot)) != ids[from + k]) continue;
        place = place_in(slot);
        break;
      }
    }
  }
}

void IdIndex::add(std::span<const int64_t> ids, uint32_t* places) {
  find(*slots_, ids, places);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (places[i] != kNone) continue;
    find(*slots_, ids.subspan(i, 1), places + i);  // given to the same id a moment ago
    if (places[i] != kNone) continue;
    if ((used_ + 1) * 3 > slots_->size() * 2) rebuild();
    const uint32_t place = places[i] = ids_.take();
    std::atomic_ref(*id(place)).store(ids[i], std::memory_order_relaxed);
    const uint64_t hash = hash_of(ids[i]);
    uint64_t at = hash;
    while (slots_->load(at) != 0) ++at;
    slots_->store(at, slot_of(hash, place));
    ++used_;
    ++present_;
  }
}

void IdIndex::forget(uint32_t place) {
  const uint64_t hash = hash_of(id_at(place)), slot = slot_of(hash, place);
  uint64_t at = hash;
  while (slots_->load(at) != slot) ++at;
  slots_->store(at, kForgotten);
  ids_.give_back(place);
  --present_;
}

// Into slots of their own, which versions from now on read: those of older ones stay as they are.
void IdIndex::rebuild() {
  const size_t wanted = std::bit_ceil((present_ + 1) * 2);
  auto larger = std::make_shared<Slots>(std::max(wanted, kFirstSlots));
  for (size_t i = 0; i < slots_->size(); ++i) {
    const uint64_t slot = slots_->load(i);
    if (!has_place(slot)) continue;
    uint64_t at = hash_of(id_at(place_in(slot)));
    while (larger->load(at) != 0) ++at;
    larger->store(at, slot);
  }
  slots_ = std::move(larger);
  used_ = present_;
}

}  // namespace feat

// Rows as a store gave them: bytes, one after the other in one piece of memory, that are never copied out of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/arena.h"
#include "engine/error.h"

namespace feat {

// A view; whoever holds it holds the memory. Behind each row Arena::kSlack bytes may be read.
class StoredRows {
 public:
  struct Place {
    int64_t start;
    int64_t size;  // -1: there is no row
  };

  StoredRows() = default;
  // Rows in `bytes`, which lie in `memory`.
  StoredRows(std::shared_ptr<const Arena> memory, const char* bytes, std::vector<Place> places)
      : all_(std::make_shared<const All>(All{std::move(memory), bytes, std::move(places)})),
        count_(std::ssize(all_->places)) {}

  int64_t size() const { return count_; }
  std::optional<std::string_view> operator[](int64_t i) const {
    const Place& place = all_->places[static_cast<size_t>(first_ + i)];
    if (place.size < 0) return std::nullopt;
    return std::string_view(all_->bytes + place.start, static_cast<size_t>(place.size));
  }
  // `count` of these rows from `first` on, which there are.
  StoredRows part(int64_t first, int64_t count) const {
    StoredRows some(*this);
    some.first_ += first;
    some.count_ = count;
    return some;
  }
  // Those at these places; none at -1. Errors: EngineError where there is no such place.
  StoredRows take(std::span<const int64_t> places) const {
    std::vector<Place> taken;
    taken.reserve(places.size());
    for (const int64_t place : places) {
      if (place < -1 || place >= count_) throw EngineError("a row that is not there: " + std::to_string(place));
      taken.push_back(place < 0 ? Place{0, -1} : all_->places[static_cast<size_t>(first_ + place)]);
    }
    if (all_ == nullptr) return {nullptr, nullptr, std::move(taken)};
    return {all_->memory, all_->bytes, std::move(taken)};
  }

 private:
  struct All {
    std::shared_ptr<const Arena> memory;
    const char* bytes;
    std::vector<Place> places;
  };
  std::shared_ptr<const All> all_;
  int64_t first_ = 0, count_ = 0;
};

}  // namespace feat

#include "engine/arena.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <new>
#include <utility>

namespace feat {

namespace {
constexpr size_t kFirstBlock = size_t{16} << 10;
constexpr size_t kLargestBlock = size_t{8} << 20;
}  // namespace

void Arena::too_large() const {
  throw EngineError("a call needs more memory than its limit of " + std::to_string(limit_ >> 20) + " MiB");
}

void Arena::add_block(size_t bytes) {
  // A kept block first (after a reset), if it is large enough; those that are not are passed over.
  while (current_ < blocks_.size()) {
    const Block& kept = blocks_[current_++];
    if (kept.bytes >= bytes) return enter(kept);
  }
  const size_t wanted = std::max({bytes, next_block_, std::clamp(reserved_, kFirstBlock, kLargestBlock)});
  if (wanted > limit_ || reserved_ > limit_ - wanted) too_large();
  next_block_ = 0;
  Block block;
  try {
    block.memory = HugePages(wanted + kSlack);
  } catch (const std::bad_alloc&) {
    throw EngineError("out of memory: " + std::to_string(wanted >> 20) + " MiB more could not be had");
  }
  block.start = block.memory.data();
  block.bytes = wanted;
  reserved_ += wanted;
  blocks_.push_back(std::move(block));
  current_ = blocks_.size();
  enter(blocks_.back());
}

void Arena::enter(const Block& block) {
  next_ = block.start;
  end_ = block.start + block.bytes;
}

void Arena::expect(size_t bytes) {
  if (blocks_.empty()) next_block_ = std::max(next_block_, std::min({bytes, kLargestBlock, limit_}));
}

void Arena::reset(size_t kept_bytes) {
  const size_t used = reserved_;
  if (blocks_.size() > 1 || used > kept_bytes) {
    blocks_.clear();
    reserved_ = 0;
    next_block_ = std::min({used, kept_bytes, limit_});
  }
  current_ = 0;
  next_ = end_ = nullptr;
}

namespace {

// Arenas that nobody uses now.
class FreeArenas {
 public:
  std::unique_ptr<Arena> take() {
    const std::lock_guard lock(mutex_);
    if (arenas_.empty()) return std::make_unique<Arena>();
    std::unique_ptr<Arena> arena = std::move(arenas_.back());
    arenas_.pop_back();
    bytes_ -= arena->reserved_bytes();
    return arena;
  }

  void put(std::unique_ptr<Arena> arena) {
    arena->reset(kMostBytesOfOne);
    const std::lock_guard lock(mutex_);
    if (bytes_ + arena->reserved_bytes() > kMostBytes || arenas_.size() == kMost) return;
    bytes_ += arena->reserved_bytes();
    arenas_.push_back(std::move(arena));
  }

 private:
  static constexpr size_t kMost = 64;
  static constexpr size_t kMostBytes = size_t{64} << 20;
  static constexpr size_t kMostBytesOfOne = size_t{16} << 20;

  std::mutex mutex_;
  std::vector<std::unique_ptr<Arena>> arenas_;
  size_t bytes_ = 0;
};

}  // namespace

std::shared_ptr<Arena> batch_memory() {
  static FreeArenas* free = new FreeArenas;  // outlives every batch
  return {free->take().release(), [](Arena* arena) { free->put(std::unique_ptr<Arena>(arena)); }};
}

bool Arena::holds(const void* address) const {
  const auto* at = static_cast<const std::byte*>(address);
  return std::any_of(blocks_.begin(), blocks_.end(), [at](const Block& block) {
    return std::greater_equal<>()(at, block.start) && std::less<>()(at, block.start + block.bytes);
  });
}

}  // namespace feat

// A set of byte strings with a number each, in which the longest one that begins a text is found in one walk.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace feat {

// A double array: the child of a node under a byte is the cell `base ^ byte`, if that says that it is the node's.
class ByteTrie {
 public:
  static constexpr uint32_t kRoot = 0, kNone = std::numeric_limits<uint32_t>::max();

  // The entries are numbered from 0; of equal ones the first counts.
  template <class Entries>
  explicit ByteTrie(const Entries& entries) {
    Sorted sorted;
    sorted.reserve(entries.size());
    for (const std::string_view entry : entries) {
      sorted.emplace_back(entry, static_cast<int32_t>(sorted.size()));
    }
    std::sort(sorted.begin(), sorted.end());
    grow(kBlock);
    cells_[kRoot].parent = kRoot;
    std::vector<Pending> pending{{kRoot, 0, sorted.size(), 0}};
    // breadth first: nodes with many children come while there is room for them
    for (size_t done = 0; done < pending.size(); ++done) add_children(sorted, pending[done], pending);
    cells_.shrink_to_fit();
  }

  // The node that `text` leads to from another one, or kNone.
  uint32_t walk(uint32_t node, std::string_view text) const {
    for (size_t i = 0; i < text.size() && node != kNone; ++i) node = child(node, static_cast<uint8_t>(text[i]));
    return node;
  }

  struct Match {
    size_t size = 0;  // in bytes; 0: none
    int32_t number = -1;
  };

  // The longest entry that continues what led to `node` with the start of `text`, by at least a byte.
  Match longest(uint32_t node, std::string_view text) const {
    Match match;
    for (size_t i = 0; i < text.size(); ++i) {
      node = child(node, static_cast<uint8_t>(text[i]));
      if (node == kNone) break;
      if (cells_[node].number >= 0) match = {i + 1, cells_[node].number};
    }
    return match;
  }

 private:
  static constexpr uint32_t kBlock = 256;
  struct Cell {
    uint32_t base = kNone;    // kNone: no children
    uint32_t parent = kNone;  // kNone: free
    int32_t number = -1;      // of the entry that ends here
  };
  using Sorted = std::vector<std::pair<std::string_view, int32_t>>;
  // The node of the entries `from` to `to`, which are alike in their first `depth` bytes.
  struct Pending {
    uint32_t node;
    size_t from, to, depth;
  };

  uint32_t child(uint32_t node, uint8_t byte) const {
    const uint32_t base = cells_[node].base;
    if (base == kNone) return kNone;
    const uint32_t at = base ^ byte;
    return cells_[at].parent == node && at != kRoot ? at : kNone;
  }

  void grow(size_t cells) { cells_.resize(cells_.size() + cells); }

  void add_children(const Sorted& sorted, const Pending& parent, std::vector<Pending>& pending) {
    size_t from = parent.from;
    const size_t depth = parent.depth, to = parent.to;
    const uint32_t node = parent.node;
    for (; from < to && sorted[from].first.size() == depth; ++from) {
      if (cells_[node].number < 0) cells_[node].number = sorted[from].second;
    }
    if (from == to) return;
    const auto byte_of = [&](size_t i) { return static_cast<uint8_t>(sorted[i].first[depth]); };
    bytes_.clear();
    for (size_t i = from; i < to; ++i) {
      if (bytes_.empty() || bytes_.back() != byte_of(i)) bytes_.push_back(byte_of(i));
    }
    const uint32_t base = cells_[node].base = free_base();
    for (size_t i = from; i < to;) {
      size_t end = i;
      const uint8_t byte = byte_of(i);
      while (end < to && byte_of(end) == byte) ++end;
      cells_[base ^ byte].parent = node;
      pending.push_back({base ^ byte, i, end, depth + 1});
      i = end;
    }
  }

  // A base under which the cells of all `bytes_` are free.
  uint32_t free_base() {
    constexpr int kTries = 64;
    while (first_free_ < cells_.size() && cells_[first_free_].parent != kNone) ++first_free_;
    int tries = 0;
    for (uint32_t at = first_free_; at < cells_.size() && tries < kTries; ++at) {
      if (cells_[at].parent != kNone) continue;
      ++tries;
      const uint32_t base = at ^ bytes_[0];
      const auto is_free = [&](uint8_t byte) { return cells_[base ^ byte].parent == kNone; };
      if (std::all_of(bytes_.begin(), bytes_.end(), is_free)) return base;
    }
    const auto base = static_cast<uint32_t>(cells_.size());
    grow(kBlock);
    return base;
  }

  std::vector<Cell> cells_;
  std::vector<uint8_t> bytes_;
  uint32_t first_free_ = 1;
};

}  // namespace feat

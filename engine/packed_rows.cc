#include "engine/packed_rows.h"

#include <algorithm>
#include <cstring>

namespace feat {

namespace {

constexpr int64_t kLoosePart = 16;         // what a part without a fixed size may take
constexpr int64_t kMostFetched = 4 << 10;  // of a row, before it is read
constexpr int64_t kWord = 8;               // bytes
constexpr int64_t kRowsAtOnce = 16;        // of fixed parts: so many rows stay in the first cache

// Copies `size` bytes; the usual sizes without a call.
inline void copy(void* to, const void* from, int64_t size) {
  switch (size) {
    case 1:
      std::memcpy(to, from, 1);
      break;
    case 4:
      std::memcpy(to, from, 4);
      break;
    case 8:
      std::memcpy(to, from, 8);
      break;
    default:
      std::memcpy(to, from, static_cast<size_t>(size));
  }
}

// The same where behind both kPackedSlack bytes may be read and written.
inline void copy_in_slack(char* to, const char* from, int64_t size) {
  static_assert(kPackedSlack >= 32);
  for (int64_t at = 0; at < size; at += 32) std::memcpy(to + at, from + at, 32);
}

// What lies at one place of some rows, one after the other.
template <int64_t size>
void gather_fixed(const char* const* rows, int64_t count, int64_t place, char* to) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * size, rows[i] + place, size);
}
void gather_part(const char* const* rows, int64_t count, int64_t place, int64_t size, char* to) {
  switch (size) {
    case 1:
      return gather_fixed<1>(rows, count, place, to);
    case 4:
      return gather_fixed<4>(rows, count, place, to);
    case 8:
      return gather_fixed<8>(rows, count, place, to);
    default:
      break;
  }
  if (size % 16 != 0 || size > 512) {
    for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * size, rows[i] + place, static_cast<size_t>(size));
    return;
  }
  for (int64_t i = 0; i < count; ++i, to += size) {
    const char* from = rows[i] + place;
    for (int64_t at = 0; at < size; at += 16) std::memcpy(to + at, from + at, 16);
  }
}

// Two words that lie at one place of some rows, side by side: two rows at a time.
void gather_words(const char* const* rows, int64_t count, int64_t place, char* to, char* to_next) {
  using Pair [[gnu::vector_size(2 * kWord)]] = uint64_t;
  int64_t i = 0;
  for (; i + 2 <= count; i += 2) {
    Pair a, b;
    std::memcpy(&a, rows[i] + place, sizeof a);
    std::memcpy(&b, rows[i + 1] + place, sizeof b);
    const Pair first{a[0], b[0]}, second{a[1], b[1]};
    std::memcpy(to + i * kWord, &first, sizeof first);
    std::memcpy(to_next + i * kWord, &second, sizeof second);
  }
  for (; i < count; ++i) {
    std::memcpy(to + i * kWord, rows[i] + place, kWord);
    std::memcpy(to_next + i * kWord, rows[i] + place + kWord, kWord);
  }
}

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

PackedLayout::PackedLayout(std::vector<NamedType> columns) : form_(std::make_shared<const Form>(std::move(columns))) {
  for (const NamedType& column : form_->columns()) levels_.push_back(level_of(column.type));
  place_columns();
}

PackedLayout::Level PackedLayout::level_of(const Type& type) {
  Level level;
  level.layout = stored_layout(type);
  level.bytes = value_bytes(level.layout);
  level.nullable = type.nullable;
  if (level.layout == Layout::Vector) level.width = type.size;
  for (const Type& child : type.children) level.inside.push_back(level_of(child));
  return level;
}

void PackedLayout::place_columns() {
  for (size_t c = 0; c < levels_.size(); ++c) {
    Level& level = levels_[c];
    const auto column = static_cast<int64_t>(c);
    int64_t size = level.bytes;
    if (level.layout == Layout::Vector && level.inside[0].bytes > 0 && !level.inside[0].nullable) {
      size = level.width * level.inside[0].bytes;
    }
    if (level.nullable) fixed_.push_back({column, 0, 1, true});
    if (size > 0) {
      fixed_.push_back({column, 0, size, false});
    } else {
      loose_.push_back(c);
      place_loose(level, kOne, 1, true);
    }
  }
  // that of std::ranges gives a subrange, which clang 14 cannot compile, and fuzzers are built with it
  const auto others =
      std::stable_partition(fixed_.begin(), fixed_.end(), [](const Fixed& part) { return part.size == kWord; });
  words_ = static_cast<size_t>(others - fixed_.begin());
  fixed_bytes_ = counts_ * int64_t{sizeof(int32_t)};
  for (Fixed& part : fixed_) {
    part.place = fixed_bytes_;
    fixed_bytes_ += part.size;
  }
  fetched_bytes_ = std::min(fixed_bytes_ + kLoosePart * std::ssize(loose_), kMostFetched);
}

PackedLayout PackedLayout::without(std::span<const std::string> columns) const {
  PackedLayout left(*this);
  left.levels_.clear();
  std::vector<NamedType> names;
  std::vector<int64_t> places(levels_.size(), -1);
  for (size_t c = 0; c < levels_.size(); ++c) {
    const NamedType& column = form_->columns()[c];
    if (std::ranges::find(columns, column.name) == columns.end()) {
      places[c] = std::ssize(names);
      names.push_back(column);
      left.levels_.push_back(levels_[c]);
    } else if (std::ranges::find(loose_, c) != loose_.end()) {
      throw EngineError("a column without a fixed size: " + column.name);
    }
  }
  if (names.size() + columns.size() != levels_.size()) throw EngineError("a column that is not there");
  for (Fixed& part : left.fixed_) part.column = places[static_cast<size_t>(part.column)];
  std::erase_if(left.fixed_, [](const Fixed& part) { return part.column < 0; });
  left.words_ = static_cast<size_t>(std::ranges::count(left.fixed_, kWord, &Fixed::size));
  for (size_t& c : left.loose_) c = static_cast<size_t>(places[c]);
  left.form_ = std::make_shared<const Form>(std::move(names));
  if (loose_.empty()) {
    const auto end_of = [](const Fixed& part) { return part.place + part.size; };
    left.fetched_from_ = left.fixed_.empty() ? 0 : std::ranges::min(left.fixed_, {}, &Fixed::place).place;
    const int64_t end = left.fixed_.empty() ? 0 : end_of(std::ranges::max(left.fixed_, {}, end_of));
    left.fetched_bytes_ = std::min(end, left.fetched_from_ + kMostFetched);
  }
  return left;
}

// The parts of a level, of which a row has `times` its `count`; at the top validity is a fixed part, and a size a
// count.
void PackedLayout::place_loose(Level& level, int32_t count, int64_t times, bool top) {
  if (level.nullable && !top) parts_.push_back({count, times, 1});
  if (level.bytes > 0) {
    parts_.push_back({count, times, level.bytes});
    return;
  }
  if (level.layout == Layout::Vector) return place_loose(level.inside[0], count, times * level.width, false);
  level.count = counts_++;
  if (!top) parts_.push_back({count, times, sizeof(int32_t), level.count});
  if (level.layout == Layout::Str) parts_.push_back({level.count, 1, 1});
  for (Level& inside : level.inside) place_loose(inside, level.count, 1, false);
}

// --- to bytes ----------------------------------------------------------------------------------------------------

class PackedLayout::Packer {
 public:
  explicit Packer(int64_t rows) : rows_(static_cast<size_t>(rows)), sizes_(rows_), starts_(rows_), ends_(rows_) {}

  // Each row's extent among the values of a level.
  struct Extents {
    std::vector<int64_t> start, count;
  };

  Extents whole_rows() const {
    Extents all{std::vector<int64_t>(rows_), std::vector<int64_t>(rows_, 1)};
    for (size_t i = 0; i < rows_; ++i) all.start[i] = static_cast<int64_t>(i);
    return all;
  }

  // Adds up what the values take, or (once there is room) writes them.
  void values(const Level& level, const Column& column, const Extents& at, bool write, bool top) {
    if (level.nullable && !top) {
      for (size_t i = 0; i < rows_; ++i) {
        if (!write) {
          sizes_[i] += at.count[i];
          continue;
        }
        for (int64_t k = 0; k < at.count[i]; ++k) *ends_[i]++ = column.is_valid(at.start[i] + k);
      }
    }
    if (level.bytes > 0) {
      for (size_t i = 0; i < rows_; ++i) {
        if (write) put(i, column.as<char>() + at.start[i] * level.bytes, at.count[i] * level.bytes);
        if (!write) sizes_[i] += at.count[i] * level.bytes;
      }
      return;
    }
    if (level.layout == Layout::Vector) {
      Extents inner{at.start, at.count};
      for (size_t i = 0; i < rows_; ++i) inner.start[i] *= level.width, inner.count[i] *= level.width;
      return values(level.inside[0], *column.child, inner, write, false);
    }
    Extents inner{std::vector<int64_t>(rows_), std::vector<int64_t>(rows_)};
    for (size_t i = 0; i < rows_; ++i) {
      const int32_t* offsets = column.offsets + at.start[i];
      inner.start[i] = offsets[0];
      inner.count[i] = offsets[at.count[i]] - offsets[0];
      if (write) std::memcpy(starts_[i] + level.count * sizeof(int32_t), &inner.count[i], sizeof(int32_t));
      if (top) continue;
      if (!write) sizes_[i] += at.count[i] * int64_t{sizeof(int32_t)};
      for (int64_t k = 0; write && k < at.count[i]; ++k) {
        const int32_t size = offsets[k + 1] - offsets[k];
        put(i, &size, sizeof size);
      }
    }
    if (level.layout == Layout::Str) {
      for (size_t i = 0; i < rows_; ++i) {
        if (write) put(i, column.bytes() + inner.start[i], inner.count[i]);
        if (!write) sizes_[i] += inner.count[i];
      }
      return;
    }
    for (size_t child = 0; child < level.inside.size(); ++child) {
      values(level.inside[child], column.child[child], inner, write, false);
    }
  }

  // The room for all rows; each begins with `fixed_bytes`, which stay to be written.
  PackedRows room(int64_t fixed_bytes) {
    PackedRows made;
    made.starts.reserve(rows_ + 1);
    for (const int64_t size : sizes_)
      made.starts.push_back(made.starts.back() + ((fixed_bytes + size + 7) & ~int64_t{7}));
    made.bytes.resize(static_cast<size_t>(made.starts.back() + kPackedSlack));
    for (size_t i = 0; i < rows_; ++i) {
      starts_[i] = made.bytes.data() + made.starts[i];
      ends_[i] = starts_[i] + fixed_bytes;
    }
    return made;
  }

 private:
  void put(size_t row, const void* from, int64_t size) {
    if (size > 0) copy(ends_[row], from, size);
    ends_[row] += size;
  }

  size_t rows_;
  std::vector<int64_t> sizes_;
  std::vector<char*> starts_, ends_;
};

PackedRows PackedLayout::pack(const Batch& batch) const {
  std::vector<const Column*> given;
  for (const NamedType& column : form_->columns()) {
    const size_t place = batch.place_of(column.name);
    if (!(batch.type(place) == column.type)) {
      throw EngineError("the column `" + column.name + "` is a `" + batch.type(place).text() + "`, wanted `" +
                        column.type.text() + "`");
    }
    given.push_back(&batch.column(place));
  }
  const int64_t rows = batch.num_rows();
  Packer packer(rows);
  const Packer::Extents all = packer.whole_rows();
  for (const size_t c : loose_) packer.values(levels_[c], *given[c], all, false, true);
  PackedRows made = packer.room(fixed_bytes_);
  for (const size_t c : loose_) packer.values(levels_[c], *given[c], all, true, true);
  for (int64_t first = 0; first < rows; first += kRowsAtOnce) {
    const int64_t end = std::min(rows, first + kRowsAtOnce);
    for (const Fixed& part : fixed_) {
      const Column& column = *given[static_cast<size_t>(part.column)];
      const auto to = [&](int64_t i) { return made.bytes.data() + made.starts[static_cast<size_t>(i)] + part.place; };
      if (part.validity) {
        for (int64_t i = first; i < end; ++i) *to(i) = column.is_valid(i);
        continue;
      }
      const char* values = (column.layout == Layout::Vector ? column.child[0] : column).as<char>();
      for (int64_t i = first; i < end; ++i) copy(to(i), values + i * part.size, part.size);
    }
  }
  return made;
}

// --- and back ----------------------------------------------------------------------------------------------------

class PackedLayout::Unpacker {
 public:
  Unpacker(const PackedLayout& layout, std::span<const char* const> rows)
      : layout_(layout), rows_(rows), count_(std::ssize(rows)), made_(layout.form_->size()) {}

  Batch batch() {
    const auto counts = static_cast<size_t>(layout_.counts_);
    before_.reserve(counts);
    for (size_t c = 0; c < counts; ++c) before_.push_back(memory_->take<int32_t>(count_ + 1));
    for (const Fixed& part : layout_.fixed_) take_fixed(part);
    for (int64_t first = 0; first < count_; first += kRowsAtOnce) {
      const int64_t end = std::min(count_, first + kRowsAtOnce);
      fetch(end, std::min(count_, end + kRowsAtOnce));
      gather_fixed_parts(first, end - first);
    }
    for (int32_t* before : before_) add_up(before);
    for (const size_t c : layout_.loose_) take_loose(made_[c], layout_.levels_[c], count_, true);
    at_.assign(rows_.begin(), rows_.end());
    for (const char*& row : at_) row += layout_.fixed_bytes_;
    for (size_t p = 0; p < loose_targets_.size(); ++p) gather_loose(layout_.parts_[p], loose_targets_[p]);
    for (Column& column : made_) {
      if (column.valid != nullptr && std::memchr(column.valid, 0, static_cast<size_t>(count_)) == nullptr) {
        column.valid = nullptr;
      }
    }
    return {count_, layout_.form_, std::move(made_), std::move(memory_)};
  }

 private:
  void gather_fixed_parts(int64_t first, int64_t some) {
    const char* const* rows = rows_.data() + first;
    for (size_t c = 0; c < before_.size(); ++c) {
      const auto place = static_cast<int64_t>(c * sizeof(int32_t));
      gather_fixed<sizeof(int32_t)>(rows, some, place, reinterpret_cast<char*>(before_[c] + 1 + first));
    }
    size_t p = 0;
    while (p + 2 <= layout_.words_ && layout_.fixed_[p + 1].place == layout_.fixed_[p].place + kWord) {
      gather_words(rows, some, layout_.fixed_[p].place, targets_[p] + first * kWord, targets_[p + 1] + first * kWord);
      p += 2;
    }
    for (; p < targets_.size(); ++p) {
      const Fixed& part = layout_.fixed_[p];
      gather_part(rows, some, part.place, part.size, targets_[p] + first * part.size);
    }
  }

  // Counts of the rows, behind the first place, to how many there are before each row: the offsets of texts, lists and
  // maps at the top.
  void add_up(int32_t* before) const {
    int64_t sum = 0;
    before[0] = 0;
    for (int64_t i = 1; i <= count_; ++i) {
      sum += before[i];
      before[i] = static_cast<int32_t>(sum);
    }
    checked_offset(sum);
  }

  void take_fixed(const Fixed& part) {
    Column& column = made_[static_cast<size_t>(part.column)];
    const Level& level = layout_.levels_[static_cast<size_t>(part.column)];
    char* target = memory_->take<char>(count_ * part.size);
    targets_.push_back(target);
    column.layout = level.layout;
    column.width = level.width;
    column.length = count_;
    if (part.validity) {
      column.valid = reinterpret_cast<const uint8_t*>(target);
    } else if (level.layout != Layout::Vector) {
      column.data = target;
    } else {
      auto* child = memory_->take<Column>(1);
      *child = {level.inside[0].layout, 0, checked_offset(count_ * level.width), nullptr, target};
      column.child = child;
    }
  }

  char* next_target(int64_t bytes) {
    loose_targets_.push_back(memory_->take<char>(bytes + kPackedSlack));
    return loose_targets_.back();
  }

  // Room for `total` values, part by part as `place_loose` has them.
  void take_loose(Column& column, const Level& level, int64_t total, bool top) {
    column.layout = level.layout;
    column.width = level.width;
    column.length = total;
    if (level.nullable && !top) column.valid = reinterpret_cast<const uint8_t*>(next_target(total));
    if (level.bytes > 0) {
      column.data = next_target(total * level.bytes);
      return;
    }
    int64_t inner = checked_offset(total * std::max(level.width, 1));
    if (level.layout != Layout::Vector) {
      inner = before_[static_cast<size_t>(level.count)][count_];
      if (top) {
        column.offsets = before_[static_cast<size_t>(level.count)];
      } else {
        auto* offsets = reinterpret_cast<int32_t*>(next_target((total + 1) * int64_t{sizeof(int32_t)}));
        offsets[0] = 0;
        column.offsets = offsets;
      }
    }
    if (level.layout == Layout::Str) {
      column.data = next_target(inner);
      return;
    }
    auto* children = memory_->take<Column>(std::ssize(level.inside));
    for (size_t c = 0; c < level.inside.size(); ++c) {
      children[c] = {};
      take_loose(children[c], level.inside[c], inner, false);
    }
    column.child = children;
  }

  void fetch(int64_t first, int64_t end) const {
    for (int64_t i = first; i < end; ++i) {
      const char* row = rows_[static_cast<size_t>(i)];
      for (int64_t line = layout_.fetched_from_; line < layout_.fetched_bytes_; line += 64) {
        __builtin_prefetch(row + line);
      }
    }
  }

  // A part of all rows, which begins `at_` there in each.
  void gather_loose(const Loose& part, char* target) {
    const int32_t* starts = part.count == kOne ? nullptr : before_[static_cast<size_t>(part.count)];
    const auto each = [&](auto take) {
      for (int64_t i = 0; i < count_; ++i) {
        const int64_t start = starts == nullptr ? i : starts[i];
        const int64_t count = starts == nullptr ? 1 : starts[i + 1] - start;
        take(i, start * part.times, count * part.times);
      }
    };
    if (part.sizes == kOne) {
      each([&](int64_t i, int64_t start, int64_t count) {
        copy_in_slack(target + start * part.size, at_[static_cast<size_t>(i)], count * part.size);
        at_[static_cast<size_t>(i)] += count * part.size;
      });
      return;
    }
    const int32_t* before = before_[static_cast<size_t>(part.sizes)];
    each([&](int64_t i, int64_t start, int64_t count) {
      const char*& from = at_[static_cast<size_t>(i)];
      auto* offset = reinterpret_cast<int32_t*>(target) + start;
      int32_t sum = before[i];
      for (int64_t k = 0; k < count; ++k, from += sizeof(int32_t)) *++offset = sum += load<int32_t>(from);
    });
  }

  const PackedLayout& layout_;
  const std::span<const char* const> rows_;
  const int64_t count_;
  std::shared_ptr<Arena> memory_ = batch_memory();
  std::vector<Column> made_;
  std::vector<int32_t*> before_;  // by count
  std::vector<char*> targets_, loose_targets_;
  std::vector<const char*> at_;
};

Batch PackedLayout::unpack(std::span<const char* const> rows) const { return Unpacker(*this, rows).batch(); }

}  // namespace feat

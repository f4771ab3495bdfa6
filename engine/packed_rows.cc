#include "engine/packed_rows.h"

#include <algorithm>
#include <cstring>

namespace feat {

namespace {

constexpr int64_t kLoosePart = 16;         // what a part without a fixed size may take
constexpr int64_t kMostFetched = 4 << 10;  // of a row, before it is read
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
    const Level& level = levels_[c];
    int64_t size = level.bytes;
    if (level.layout == Layout::Vector && level.inside[0].bytes > 0 && !level.inside[0].nullable) {
      size = level.width * level.inside[0].bytes;
    } else if (size == 0) {
      loose_.push_back(c);
      continue;
    }
    const auto column = static_cast<int64_t>(c);
    if (level.nullable) fixed_.push_back({column, fixed_bytes_++, 1, true});
    fixed_.push_back({column, fixed_bytes_, size, false});
    fixed_bytes_ += size;
  }
  fetched_bytes_ = std::min(fixed_bytes_ + kLoosePart * std::ssize(loose_), kMostFetched);
}

// --- to bytes ----------------------------------------------------------------------------------------------------

class PackedLayout::Packer {
 public:
  explicit Packer(int64_t rows) : rows_(static_cast<size_t>(rows)), sizes_(rows_), ends_(rows_) {}

  // Each row's extent among the values of a level.
  struct Extents {
    std::vector<int64_t> start, count;
  };

  Extents whole_rows() const {
    Extents all{std::vector<int64_t>(rows_), std::vector<int64_t>(rows_, 1)};
    for (size_t i = 0; i < rows_; ++i) all.start[i] = static_cast<int64_t>(i);
    return all;
  }

  // Adds up what the values take, or (once `to` points there) writes them.
  void values(const Level& level, const Column& column, const Extents& at, bool write) {
    if (level.nullable) {
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
      return values(level.inside[0], *column.child, inner, write);
    }
    Extents inner{std::vector<int64_t>(rows_), std::vector<int64_t>(rows_)};
    for (size_t i = 0; i < rows_; ++i) {
      const int32_t* offsets = column.offsets + at.start[i];
      inner.start[i] = offsets[0];
      inner.count[i] = offsets[at.count[i]] - offsets[0];
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
      values(level.inside[child], column.child[child], inner, write);
    }
  }

  // The room for all rows; each begins with `fixed_bytes`, which stay to be written.
  PackedRows room(int64_t fixed_bytes) {
    PackedRows made;
    made.starts.reserve(rows_ + 1);
    for (const int64_t size : sizes_)
      made.starts.push_back(made.starts.back() + ((fixed_bytes + size + 7) & ~int64_t{7}));
    made.bytes.resize(static_cast<size_t>(made.starts.back() + kPackedSlack));
    for (size_t i = 0; i < rows_; ++i) ends_[i] = made.bytes.data() + made.starts[i] + fixed_bytes;
    return made;
  }

 private:
  void put(size_t row, const void* from, int64_t size) {
    if (size > 0) copy(ends_[row], from, size);
    ends_[row] += size;
  }

  size_t rows_;
  std::vector<int64_t> sizes_;
  std::vector<char*> ends_;
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
  for (const size_t c : loose_) packer.values(levels_[c], *given[c], all, false);
  PackedRows made = packer.room(fixed_bytes_);
  for (const size_t c : loose_) packer.values(levels_[c], *given[c], all, true);
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
  Unpacker(std::span<const char* const> rows, int64_t fixed_bytes, Arena& arena)
      : arena_(arena), at_(rows.begin(), rows.end()) {
    for (const char*& row : at_) row += fixed_bytes;
  }

  // The column of these many values a row.
  Column values(const Level& level, const std::vector<int64_t>& counts, int64_t total) {
    Column column;
    column.layout = level.layout;
    column.width = level.width;
    column.length = total;
    if (level.nullable) column.valid = taken<uint8_t>(counts, total, 1);
    if (level.bytes > 0) {
      column.data = taken<char>(counts, total, level.bytes);
      return column;
    }
    std::vector<int64_t> inner(counts);
    int64_t inner_total = 0;
    if (level.layout == Layout::Vector) {
      for (int64_t& count : inner) count *= level.width;
      inner_total = checked_offset(total * level.width);
    } else {
      auto* offsets = arena_.take<int32_t>(total + 1);
      offsets[0] = 0;
      int32_t* end = offsets;
      for (size_t i = 0; i < at_.size(); ++i) {
        const int64_t before = inner_total;
        for (int64_t k = 0; k < counts[i]; ++k) {
          inner_total += load<int32_t>(at_[i]);
          at_[i] += sizeof(int32_t);
          *++end = checked_offset(inner_total);
        }
        inner[i] = inner_total - before;
      }
      column.offsets = offsets;
    }
    if (level.layout == Layout::Str) {
      column.data = taken<char>(inner, inner_total, 1);
      return column;
    }
    auto* children = arena_.take<Column>(static_cast<int64_t>(level.inside.size()));
    for (size_t c = 0; c < level.inside.size(); ++c) children[c] = values(level.inside[c], inner, inner_total);
    column.child = children;
    return column;
  }

 private:
  template <class T>
  const T* taken(const std::vector<int64_t>& counts, int64_t total, int64_t bytes) {
    static_assert(sizeof(T) == 1);
    T* all = arena_.take<T>(total * bytes + kPackedSlack);
    T* end = all;
    for (size_t i = 0; i < at_.size(); ++i) {
      const int64_t size = counts[i] * bytes;
      copy_in_slack(reinterpret_cast<char*>(end), at_[i], size);
      end += size;
      at_[i] += size;
    }
    return all;
  }

  Arena& arena_;
  std::vector<const char*> at_;
};

Batch PackedLayout::unpack(std::span<const char* const> rows) const {
  const auto count = static_cast<int64_t>(rows.size());
  auto memory = batch_memory();
  std::vector<Column> made(form_->size());
  std::vector<char*> targets;
  for (const Fixed& part : fixed_) {
    Column& column = made[static_cast<size_t>(part.column)];
    const Level& level = levels_[static_cast<size_t>(part.column)];
    char* target = memory->take<char>(count * part.size);
    targets.push_back(target);
    column.layout = level.layout;
    column.width = level.width;
    column.length = count;
    if (part.validity) {
      column.valid = reinterpret_cast<const uint8_t*>(target);
    } else if (level.layout != Layout::Vector) {
      column.data = target;
    } else {
      auto* child = memory->take<Column>(1);
      *child = {level.inside[0].layout, 0, checked_offset(count * level.width), nullptr, target};
      column.child = child;
    }
  }
  for (int64_t first = 0; first < count; first += kRowsAtOnce) {
    const int64_t some = std::min(count - first, kRowsAtOnce);
    for (int64_t i = first + some; i < std::min(count, first + some + kRowsAtOnce); ++i) {
      const char* next = rows[static_cast<size_t>(i)];
      for (int64_t line = 0; line < fetched_bytes_; line += 64) __builtin_prefetch(next + line);
    }
    for (size_t p = 0; p < fixed_.size(); ++p) {
      const Fixed& part = fixed_[p];
      gather_part(rows.data() + first, some, part.place, part.size, targets[p] + first * part.size);
    }
  }
  Unpacker unpacker(rows, fixed_bytes_, *memory);
  const std::vector<int64_t> ones(rows.size(), 1);
  for (const size_t c : loose_) made[c] = unpacker.values(levels_[c], ones, count);
  for (Column& column : made) {
    if (column.valid != nullptr && std::memchr(column.valid, 0, static_cast<size_t>(count)) == nullptr) {
      column.valid = nullptr;
    }
  }
  return {count, form_, std::move(made), std::move(memory)};
}

}  // namespace feat

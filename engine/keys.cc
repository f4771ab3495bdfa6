#include "engine/keys.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

#include "engine/utf8.h"
#include "engine/xxh64.h"

namespace feat {

namespace {

// Nobody outside knows which keys fall together.
uint64_t seed_of_process() {
  static const uint64_t seed = [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  }();
  return seed;
}

template <class T>
bool read_number(std::string_view digits, T& number) {
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, number);
  return read.ec == std::errc() && read.ptr == end;
}

}  // namespace

bool Keys::are_texts() const {
  return std::ranges::all_of(kinds_, [](Kind kind) { return kind == Kind::Text; });
}

bool Keys::fit_int32() const {
  for (size_t i = 0; i < size(); ++i) {
    int32_t number;
    if (kinds_[i] != Kind::Integer || !read_number((*this)[i], number)) return false;
  }
  return true;
}

Keys::Distinct Keys::distinct() const {
  constexpr uint32_t kFree = UINT32_MAX;
  const uint64_t seed = seed_of_process();
  const size_t mask = std::bit_ceil(2 * size() + 1) - 1;
  struct Slot {
    uint32_t hash, which = kFree;
  };
  std::vector<Slot> slots(mask + 1);
  Distinct found;
  found.first.reserve(size());
  found.which.reserve(size());
  for (size_t i = 0; i < size(); ++i) {
    if (!present(i)) {
      found.which.push_back(-1);
      continue;
    }
    const std::string_view key = (*this)[i];
    const uint64_t hash = xxh64(key, seed);
    const auto mark = static_cast<uint32_t>(hash >> 32);
    size_t at = hash & mask;
    const auto same = [&](const Slot& slot) {
      const auto before = static_cast<size_t>(found.first[slot.which]);
      return slot.hash == mark && (*this)[before] == key && kinds_[before] == kinds_[i];
    };
    while (slots[at].which != kFree && !same(slots[at])) at = (at + 1) & mask;
    if (slots[at].which == kFree) {
      slots[at] = {mark, static_cast<uint32_t>(found.first.size())};
      found.first.push_back(static_cast<int64_t>(i));
    }
    found.which.push_back(slots[at].which);
  }
  return found;
}

Keys Keys::take(std::span<const int64_t> places) const {
  Keys taken;
  taken.reserve(places.size(), size() == 0 ? 0 : num_bytes() / size() * (places.size() + 1));
  for (const int64_t place : places) {
    if (place < 0 || place >= static_cast<int64_t>(size())) {
      throw EngineError("a key that is not there: " + std::to_string(place));
    }
    const auto i = static_cast<size_t>(place);
    taken.add((*this)[i], kinds_[i]);
  }
  return taken;
}

Keys Keys::together(std::span<const Keys* const> columns) {
  Keys all;
  if (columns.empty()) return all;
  for (const Keys* column : columns) {
    if (column->size() != columns[0]->size()) throw EngineError("not as many keys beside each other");
  }
  std::string row;
  for (size_t i = 0; i < columns[0]->size(); ++i) {
    row.clear();
    for (const Keys* column : columns) {
      const std::string_view key = (*column)[i];
      row.append(std::to_string(key.size())).append(":").append(key);
    }
    all.add(row);
  }
  return all;
}

bool Keys::texts_are_valid() const {
  if (!valid_utf8(bytes_)) return false;
  return std::ranges::none_of(ends_, [&](size_t end) { return end < bytes_.size() && (bytes_[end] & 0xC0) == 0x80; });
}

// --- columns -------------------------------------------------------------------------------------------------------

Batch Keys::column(const std::string& name, const Type& type) const {
  auto memory = batch_memory();
  const auto rows = static_cast<int64_t>(size());
  Column column;
  column.layout = stored_layout(type);
  column.length = checked_offset(rows);
  const auto refuse = [&](size_t i) {
    throw EngineError("`" + name + "` is declared " + type.text() + ", which key " + std::to_string(i) + " is not");
  };
  const auto numbers = [&]<class T>(T* values) {
    for (size_t i = 0; i < size(); ++i) {
      if (kinds_[i] != Kind::Integer || !read_number((*this)[i], values[i])) refuse(i);
    }
    column.data = values;
  };
  switch (column.layout) {
    case Layout::I32:
      numbers(memory->take<int32_t>(rows));
      break;
    case Layout::I64:
      numbers(memory->take<int64_t>(rows));
      break;
    case Layout::Str: {
      auto* offsets = memory->take<int32_t>(rows + 1);
      offsets[0] = 0;
      for (size_t i = 0; i < size(); ++i) {
        if (kinds_[i] != Kind::Text) refuse(i);
        offsets[i + 1] = checked_offset(static_cast<int64_t>(ends_[i]));
      }
      if (!texts_are_valid()) throw EngineError("a key of `" + name + "` is not UTF-8");
      char* bytes = memory->take<char>(static_cast<int64_t>(num_bytes()));
      std::memcpy(bytes, bytes_.data(), num_bytes());
      column.offsets = offsets;
      column.data = bytes;
      break;
    }
    default:
      throw EngineError("keys are int64, int32 or string, not " + type.text());
  }
  std::vector<Batch::Field> fields;
  fields.push_back({name, type, column, memory});
  return {rows, std::move(fields)};
}

void Keys::add_value(const Column& column, int64_t row) {
  if (!column.is_valid(row)) return add_null();
  switch (column.layout) {
    case Layout::I32:
      return add(column.as<int32_t>()[row]);
    case Layout::I64:
      return add(column.as<int64_t>()[row]);
    case Layout::Str:
      return add(column.text(row));
    default:
      throw EngineError("keys are int64, int32 or string");
  }
}

Keys::OfColumn Keys::of_column(const Batch& batch, const std::string& name) {
  const Column& column = batch.column(batch.place_of(name));
  OfColumn found;
  found.of_lists = column.layout == Layout::List || column.layout == Layout::Vector;
  for (int64_t row = 0; row < column.length; ++row) {
    if (!found.of_lists) {
      found.keys.add_value(column, row);
      continue;
    }
    const int64_t start = column.start(row), end = column.is_valid(row) ? column.start(row + 1) : start;
    found.lengths.push_back(end - start);
    for (int64_t k = start; k < end; ++k) found.keys.add_value(*column.child, k);
  }
  return found;
}

}  // namespace feat

#include "engine/column.h"

#include <cstring>

namespace feat {

int64_t value_bytes(Layout layout) {
  switch (layout) {
    case Layout::Bool:
      return 1;
    case Layout::I32:
    case Layout::F32:
      return 4;
    case Layout::I64:
    case Layout::F64:
      return 8;
    default:
      return 0;
  }
}

Layout stored_layout(const Type& type) {
  switch (type.kind) {
    case Kind::Bool:
      return Layout::Bool;
    case Kind::Int32:
      return Layout::I32;
    case Kind::Float32:
      return Layout::F32;
    case Kind::Float64:
      return Layout::F64;
    case Kind::String:
      return Layout::Str;
    case Kind::List:
      return Layout::List;
    case Kind::Vector:
      return Layout::Vector;
    case Kind::Map:
      return Layout::Map;
    case Kind::Int64:
    case Kind::Timestamp:
    case Kind::Id:
    case Kind::Nothing:
      return Layout::I64;
  }
  return Layout::I64;
}

Layout held_layout(const Type& type) {
  const Layout stored = stored_layout(type);
  return stored == Layout::I32 ? Layout::I64 : stored == Layout::F32 ? Layout::F64 : stored;
}

int32_t checked_offset(int64_t end) {
  if (end > INT32_MAX) throw EngineError("a column has more than 2^31 - 1 bytes or elements");
  return static_cast<int32_t>(end);
}

// --- ColumnBuilder -----------------------------------------------------------------------------------------------

ColumnBuilder::ColumnBuilder(const Type& type, Arena& arena)
    : type_(type), layout_(stored_layout(type)), arena_(&arena), valid_(arena), bytes_(arena), offsets_(arena) {
  if (layout_ == Layout::Str || layout_ == Layout::List || layout_ == Layout::Map) offsets_.push(0);
  if (!type.children.empty()) items_ = std::make_unique<ColumnBuilder>(type.element(), arena);
  if (layout_ == Layout::Map) keys_ = std::make_unique<ColumnBuilder>(type.children[0], arena);
}

template <class T>
void ColumnBuilder::push(T value) {
  std::memcpy(bytes_.grow(sizeof(T)), &value, sizeof(T));
  mark(true);
}

void ColumnBuilder::mark(bool valid) {
  if (!valid && !any_null_) {
    valid_.fill(length_, 1);
    any_null_ = true;
  }
  if (any_null_) valid_.push(valid);
  ++length_;
}

void ColumnBuilder::append_bool(bool value) { push<uint8_t>(value); }

void ColumnBuilder::append_integer(int64_t value) {
  if (layout_ == Layout::I32) {
    push(static_cast<int32_t>(value));
  } else {
    push(value);
  }
}

void ColumnBuilder::append_float(double value) {
  if (layout_ == Layout::F32) {
    push(static_cast<float>(value));
  } else {
    push(value);
  }
}

void ColumnBuilder::append_text(std::string_view value) {
  bytes_.append(reinterpret_cast<const uint8_t*>(value.data()), static_cast<int64_t>(value.size()));
  offsets_.push(checked_offset(bytes_.size()));
  mark(true);
}

void ColumnBuilder::append_null() {
  switch (layout_) {
    case Layout::Str:
    case Layout::List:
    case Layout::Map:
      offsets_.push(offsets_[offsets_.size() - 1]);
      break;
    case Layout::Vector:
      for (int32_t i = 0; i < type_.size; ++i) items_->append_default();
      break;
    default:
      bytes_.fill(value_bytes(layout_), 0);
  }
  mark(false);
}

void ColumnBuilder::append_default() {
  append_null();
  valid_[length_ - 1] = 1;
}

int64_t ColumnBuilder::committed() const {
  return layout_ == Layout::Vector ? length_ * type_.size : offsets_[offsets_.size() - 1];
}

void ColumnBuilder::end_row() {
  const int64_t end = items_->length();
  if (layout_ == Layout::Vector) {
    if (end - committed() != type_.size) {
      const int64_t given = end - committed();
      undo_row();
      throw EngineError("a " + type_.text() + " got " + std::to_string(given) + " elements");
    }
    checked_offset(end);
  } else {
    if (layout_ == Layout::Map && keys_->length() != end)
      throw EngineError("a map got more values than keys, or fewer");
    offsets_.push(checked_offset(end));
  }
  mark(true);
}

void ColumnBuilder::undo_row() {
  items_->truncate(committed());
  if (keys_) keys_->truncate(committed());
}

void ColumnBuilder::truncate(int64_t length) {
  if (length >= length_) return;
  length_ = length;
  if (any_null_) valid_.truncate(length);
  if (layout_ == Layout::Vector) {
    undo_row();
  } else if (!offsets_.size()) {
    bytes_.truncate(length * value_bytes(layout_));
  } else {
    offsets_.truncate(length + 1);
    if (layout_ == Layout::Str) {
      bytes_.truncate(offsets_[length]);
    } else {
      undo_row();
    }
  }
}

Column ColumnBuilder::finish() {
  Column column;
  column.layout = layout_;
  column.width = type_.size;
  column.length = length_;
  if (any_null_) {
    for (int64_t i = 0; i < length_ && column.valid == nullptr; ++i) {
      if (!valid_[i]) column.valid = valid_.data();
    }
  }
  if (offsets_.size()) column.offsets = offsets_.data();
  if (items_) {
    Column* children = arena_->take<Column>(keys_ ? 2 : 1);
    if (keys_) children[0] = keys_->finish();
    children[keys_ ? 1 : 0] = items_->finish();
    column.child = children;
  } else {
    column.data = bytes_.size() ? bytes_.data() : bytes_.grow(1);
  }
  return column;
}

}  // namespace feat

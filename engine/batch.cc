#include "engine/batch.h"

#include <algorithm>
#include <array>
#include <climits>

namespace feat {

Form::Form(std::vector<NamedType> columns) : columns_(std::move(columns)) {
  places_.reserve(columns_.size());
  for (const NamedType& column : columns_) {
    if (!places_.emplace(column.name, static_cast<int64_t>(places_.size())).second) {
      throw EngineError("two columns of a batch are named `" + column.name + "`");
    }
  }
}

std::shared_ptr<const Form> Form::shared(std::vector<NamedType> columns) {
  struct Last {
    std::mutex mutex;
    std::array<std::weak_ptr<const Form>, 16> forms;
    size_t next = 0;
  };
  static Last* last = new Last;  // outlives every batch
  {
    const std::lock_guard lock(last->mutex);
    for (const auto& known : last->forms) {
      std::shared_ptr<const Form> form = known.lock();
      if (form != nullptr && form->columns_ == columns) return form;
    }
  }
  auto form = std::make_shared<const Form>(std::move(columns));
  const std::lock_guard lock(last->mutex);
  last->forms[last->next++ % last->forms.size()] = form;
  return form;
}

int64_t Form::find(std::string_view name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? -1 : found->second;
}

const Form::Part& Form::carried() const {
  std::call_once(carried_once_, [this] {
    std::vector<NamedType> found;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (!columns_[i].name.starts_with('$')) continue;
      carried_.places.push_back(i);
      found.push_back(columns_[i]);
    }
    carried_.form = std::make_shared<const Form>(std::move(found));
  });
  return carried_;
}

Batch::Batch(int64_t num_rows, std::vector<Field> fields) : num_rows_(num_rows) {
  Held held;
  std::vector<NamedType> columns;
  columns.reserve(fields.size());
  held.columns.reserve(fields.size());
  held.in.reserve(fields.size());
  for (Field& field : fields) {
    columns.push_back({std::move(field.name), std::move(field.type)});
    held.columns.push_back(field.column);
    if (held.memory.empty() || held.memory.back() != field.memory) held.memory.push_back(std::move(field.memory));
    held.in.push_back(static_cast<uint32_t>(held.memory.size() - 1));
  }
  held.form = Form::shared(std::move(columns));
  held_ = std::make_shared<const Held>(std::move(held));
  check_lengths();
}

Batch::Batch(int64_t num_rows, std::shared_ptr<const Form> form, std::vector<Column> columns,
             std::shared_ptr<const Arena> memory)
    : Batch(num_rows, std::move(form), std::move(columns), std::vector{std::move(memory)}, {}) {}

Batch::Batch(int64_t num_rows, std::shared_ptr<const Form> form, std::vector<Column> columns,
             std::vector<std::shared_ptr<const Arena>> memory, std::vector<uint32_t> in)
    : num_rows_(num_rows) {
  if (form->size() != columns.size()) throw EngineError("the columns of a batch are not those of its form");
  held_ = std::make_shared<const Held>(Held{std::move(form), std::move(columns), std::move(memory), std::move(in)});
  check_lengths();
}

void Batch::check_lengths() const {
  for (size_t i = 0; i < num_columns(); ++i) {
    if (column(i).length != num_rows_) {
      throw EngineError("the column `" + name(i) + "` has " + std::to_string(column(i).length) +
                        " rows in a batch of " + std::to_string(num_rows_));
    }
  }
}

const std::shared_ptr<const Form>& Batch::form() const {
  static const auto empty = std::make_shared<const Form>(std::vector<NamedType>());
  return held_ ? held_->form : empty;
}

int64_t Batch::find(std::string_view name) const { return held_ ? held_->form->find(name) : -1; }

size_t Batch::place_of(std::string_view name) const {
  const int64_t place = find(name);
  if (place < 0) throw EngineError("no column `" + std::string(name) + "` in the batch");
  return static_cast<size_t>(place);
}

Batch Batch::select(std::span<const std::string> names) const {
  std::vector<Field> chosen;
  chosen.reserve(names.size());
  for (const std::string& name : names) chosen.push_back(field(place_of(name)));
  return {num_rows_, std::move(chosen)};
}

Batch Batch::carried() const {
  const Form::Part& part = form()->carried();
  Held held{part.form, {}, {}, {}};
  if (held_) held.memory = held_->memory;
  held.columns.reserve(part.places.size());
  for (const size_t place : part.places) {
    held.columns.push_back(column(place));
    if (!held_->in.empty()) held.in.push_back(held_->in[place]);
  }
  Batch some;
  some.num_rows_ = num_rows_;
  some.held_ = std::make_shared<const Held>(std::move(held));
  return some;
}

Batch Batch::merge(const Batch& other) const {
  if (num_rows_ != other.num_rows_) {
    throw EngineError("batches of " + std::to_string(num_rows_) + " and " + std::to_string(other.num_rows_) +
                      " rows do not merge");
  }
  std::vector<Field> all;
  all.reserve(num_columns() + other.num_columns());
  for (size_t i = 0; i < num_columns(); ++i) all.push_back(field(i));
  for (size_t i = 0; i < other.num_columns(); ++i) all.push_back(other.field(i));
  return {num_rows_, std::move(all)};
}

Batch Batch::take(std::span<const int64_t> rows) const {
  const auto count = static_cast<int64_t>(rows.size());
  checked_offset(count);
  auto memory = batch_memory();
  auto* picked = memory->take<int32_t>(count);
  bool any_null = false;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = rows[static_cast<size_t>(i)];
    if (row < -1 || row >= num_rows_) {
      throw EngineError("row " + std::to_string(row) + " of a batch of " + std::to_string(num_rows_));
    }
    any_null |= row == -1;
    picked[i] = row == -1 ? kNullRow : static_cast<int32_t>(row);
  }
  std::vector<Column> taken;
  taken.reserve(num_columns());
  for (size_t i = 0; i < num_columns(); ++i) taken.push_back(gather(column(i), picked, count, *memory));
  if (!any_null) return {count, form(), std::move(taken), std::move(memory)};
  std::vector<NamedType> columns(form()->columns().begin(), form()->columns().end());
  for (NamedType& column : columns) column.type.nullable = true;
  return {count, std::make_shared<const Form>(std::move(columns)), std::move(taken), std::move(memory)};
}

}  // namespace feat

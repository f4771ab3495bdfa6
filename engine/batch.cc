#include "engine/batch.h"

#include <climits>

namespace feat {

NameIndex::NameIndex(std::vector<std::string> names) : names_(std::move(names)) {
  places_.reserve(names_.size());
  for (const std::string& name : names_) {
    if (!places_.emplace(name, static_cast<int64_t>(places_.size())).second) {
      throw EngineError("two columns of a batch are named `" + name + "`");
    }
  }
}

int64_t NameIndex::find(std::string_view name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? -1 : found->second;
}

namespace {

std::shared_ptr<const NameIndex> index_of(const std::vector<Batch::Field>& fields) {
  std::vector<std::string> names;
  names.reserve(fields.size());
  for (const Batch::Field& field : fields) names.push_back(field.name);
  return std::make_shared<const NameIndex>(std::move(names));
}

}  // namespace

Batch::Batch(int64_t num_rows, std::vector<Field> fields) : Batch(num_rows, std::move(fields), nullptr) {}

Batch::Batch(int64_t num_rows, std::vector<Field> fields, std::shared_ptr<const NameIndex> index)
    : num_rows_(num_rows) {
  for (const Field& field : fields) {
    if (field.column.length != num_rows) {
      throw EngineError("the column `" + field.name + "` has " + std::to_string(field.column.length) +
                        " rows in a batch of " + std::to_string(num_rows));
    }
  }
  if (index == nullptr) index = index_of(fields);
  fields_ = std::make_shared<const Fields>(Fields{std::move(fields), std::move(index)});
}

std::span<const Batch::Field> Batch::fields() const {
  return fields_ ? std::span<const Field>(fields_->list) : std::span<const Field>();
}

const Batch::Field* Batch::find(std::string_view name) const {
  if (!fields_) return nullptr;
  const int64_t place = fields_->index->find(name);
  return place < 0 ? nullptr : &fields_->list[static_cast<size_t>(place)];
}

const Batch::Field& Batch::field(std::string_view name) const {
  const Field* found = find(name);
  if (found == nullptr) throw EngineError("no column `" + std::string(name) + "` in the batch");
  return *found;
}

Batch Batch::select(std::span<const std::string> names) const {
  std::vector<Field> chosen;
  chosen.reserve(names.size());
  for (const std::string& name : names) chosen.push_back(field(name));
  return {num_rows_, std::move(chosen)};
}

Batch Batch::merge(const Batch& other) const {
  if (num_rows_ != other.num_rows_) {
    throw EngineError("batches of " + std::to_string(num_rows_) + " and " + std::to_string(other.num_rows_) +
                      " rows do not merge");
  }
  std::vector<Field> all(fields().begin(), fields().end());
  all.insert(all.end(), other.fields().begin(), other.fields().end());
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
  std::vector<Field> taken;
  for (const Field& field : fields()) {
    Type type = field.type;
    type.nullable |= any_null;
    taken.push_back({field.name, std::move(type), gather(field.column, picked, count, *memory), memory});
  }
  return {count, std::move(taken)};
}

}  // namespace feat

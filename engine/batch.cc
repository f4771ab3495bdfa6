#include "engine/batch.h"

#include <climits>

namespace feat {

Batch::Batch(int64_t num_rows, std::vector<Field> fields) : num_rows_(num_rows) {
  auto made = std::make_shared<Fields>();
  made->list = std::move(fields);
  made->by_name.reserve(made->list.size());
  for (size_t i = 0; i < made->list.size(); ++i) {
    const Field& field = made->list[i];
    if (field.column.length != num_rows) {
      throw EngineError("the column `" + field.name + "` has " + std::to_string(field.column.length) +
                        " rows in a batch of " + std::to_string(num_rows));
    }
    if (!made->by_name.emplace(field.name, i).second) {
      throw EngineError("two columns of a batch are named `" + field.name + "`");
    }
  }
  fields_ = std::move(made);
}

std::span<const Batch::Field> Batch::fields() const {
  return fields_ ? std::span<const Field>(fields_->list) : std::span<const Field>();
}

const Batch::Field* Batch::find(std::string_view name) const {
  if (!fields_) return nullptr;
  const auto found = fields_->by_name.find(name);
  return found == fields_->by_name.end() ? nullptr : &fields_->list[found->second];
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
  auto memory = std::make_shared<Arena>();
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

// Named columns of one length, immutable and shared. Columns are in their stored layout.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/arena.h"
#include "engine/column.h"
#include "engine/type.h"

namespace feat {

// Where each name stands in a list, made once for all batches of one form.
class NameIndex {
 public:
  // Errors: EngineError when two are the same.
  explicit NameIndex(std::vector<std::string> names);
  NameIndex(const NameIndex&) = delete;
  NameIndex& operator=(const NameIndex&) = delete;
  // Its place, or -1.
  int64_t find(std::string_view name) const;

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string_view, int64_t> places_;
};

class Batch {
 public:
  struct Field {
    std::string name;
    Type type;
    Column column;
    std::shared_ptr<const Arena> memory;  // where the column lies
  };

  Batch() = default;
  // Errors: EngineError when a column has not `num_rows` rows, or two have one name.
  Batch(int64_t num_rows, std::vector<Field> fields);
  // With the index of the fields' names.
  Batch(int64_t num_rows, std::vector<Field> fields, std::shared_ptr<const NameIndex> index);

  int64_t num_rows() const { return num_rows_; }
  std::span<const Field> fields() const;
  const Field* find(std::string_view name) const;   // null if absent
  const Field& field(std::string_view name) const;  // Errors: EngineError with the name

  Batch select(std::span<const std::string> names) const;
  Batch merge(const Batch& other) const;
  // The rows at these positions; -1 gives a null row, and makes the types nullable.
  Batch take(std::span<const int64_t> rows) const;

 private:
  struct Fields {
    std::vector<Field> list;
    std::shared_ptr<const NameIndex> index;
  };
  int64_t num_rows_ = 0;
  std::shared_ptr<const Fields> fields_;
};

}  // namespace feat

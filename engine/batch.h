// Named columns of one length, immutable and shared. Columns are in their stored layout.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
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

struct NamedType {
  std::string name;
  Type type;
  bool operator==(const NamedType&) const = default;
};

// The names and types of a batch's columns, made once for all batches of a program.
class Form {
 public:
  // Errors: EngineError when two columns have one name.
  explicit Form(std::vector<NamedType> columns);
  // The same object for equal columns, of the last few that are in use: by it a program knows a batch again. Errors: as
  // above.
  static std::shared_ptr<const Form> shared(std::vector<NamedType> columns);
  Form(const Form&) = delete;
  Form& operator=(const Form&) = delete;

  size_t size() const { return columns_.size(); }
  const NamedType& operator[](size_t place) const { return columns_[place]; }
  std::span<const NamedType> columns() const { return columns_; }
  // Where the column of that name stands, or -1.
  int64_t find(std::string_view name) const;

  // Some of the columns, as a form of their own.
  struct Part {
    std::vector<size_t> places;
    std::shared_ptr<const Form> form;
  };
  // Those that later stages of a program read: their names begin with `$`. Made when first asked for.
  const Part& carried() const;

 private:
  std::vector<NamedType> columns_;
  std::unordered_map<std::string_view, int64_t> places_;
  mutable std::once_flag carried_once_;
  mutable Part carried_;
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
  // Columns of a known form, which all lie in `memory`.
  Batch(int64_t num_rows, std::shared_ptr<const Form> form, std::vector<Column> columns,
        std::shared_ptr<const Arena> memory);
  // The same, column i in memory[in[i]].
  Batch(int64_t num_rows, std::shared_ptr<const Form> form, std::vector<Column> columns,
        std::vector<std::shared_ptr<const Arena>> memory, std::vector<uint32_t> in);

  int64_t num_rows() const { return num_rows_; }
  size_t num_columns() const { return held_ ? held_->columns.size() : 0; }
  // Of the column at a place below `num_columns()`.
  const std::string& name(size_t place) const { return (*held_->form)[place].name; }
  const Type& type(size_t place) const { return (*held_->form)[place].type; }
  const Column& column(size_t place) const { return held_->columns[place]; }
  const std::shared_ptr<const Arena>& memory(size_t place) const {
    return held_->memory[held_->in.empty() ? 0 : held_->in[place]];
  }

  int64_t find(std::string_view name) const;        // its place; -1 if absent
  size_t place_of(std::string_view name) const;     // Errors: EngineError with the name
  const std::shared_ptr<const Form>& form() const;  // of a batch without columns an empty one

  Batch select(std::span<const std::string> names) const;
  // The columns of `Form::carried`.
  Batch carried() const;
  Batch merge(const Batch& other) const;
  // The rows at these positions; -1 gives a null row, and makes the types nullable.
  Batch take(std::span<const int64_t> rows) const;

 private:
  struct Held {
    std::shared_ptr<const Form> form;
    std::vector<Column> columns;
    std::vector<std::shared_ptr<const Arena>> memory;
    std::vector<uint32_t> in;  // by column: which of these it lies in; none where all lie in the first
  };
  void check_lengths() const;
  Field field(size_t place) const { return {name(place), type(place), column(place), memory(place)}; }

  int64_t num_rows_ = 0;
  std::shared_ptr<const Held> held_;
};

}  // namespace feat

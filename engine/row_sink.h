// The input rules: what a value of a row reads as. A sink takes the values of one field, as Arrow or Avro
// gives them, and makes its column. `compiler/reference/read.py` states the same rules in plain Python.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/arena.h"
#include "engine/column.h"
#include "engine/error.h"
#include "engine/row_column.h"
#include "engine/type.h"

namespace feat {

// A row is at fault; the message names the input.
class BadValue : public EngineError {
 public:
  using EngineError::EngineError;
};

// What a missing scalar, or each element of a missing vector, reads as; monostate: null.
using Default = std::variant<std::monostate, bool, int64_t, double, std::string>;

struct FieldSpec {
  std::string name;  // of the input: `profile.clicks.at`
  Type type;
  Default fallback;
  int64_t cap = -1;  // the longest list or map; -1 for any

  // Null is refused at the top of a struct, and drops its position in a sequence.
  bool required() const;
};

struct SequenceSpec {
  std::string name;  // `profile.clicks`
  std::vector<FieldSpec> members;
  int64_t cap = -1;
};

// What is shared by the sinks of one reading.
struct Intake {
  Arena& arena;
  int64_t expected_rows = 0;
  int64_t invalid_texts = 0;  // texts that were not UTF-8, read as null
};

enum class Given : uint8_t { Boolean, Integer, Number, Text, Time, List, Struct, Map };

// Events of one value: `null`, a scalar, or
//   begin_list, (an event on `item()`, end_item)*, end_list    for lists, vectors, maps, sequences
//   begin_struct, (an event on `member(i)`)*, end_struct       for the items of maps (key, value) and
//                                                              sequences, and a sequence as a struct of lists
// Any other event is a BadValue.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void null() = 0;
  virtual void boolean(bool value);
  virtual void integer(int64_t value);
  virtual void number(double value);
  virtual void text(std::string_view value);
  virtual void begin_list();
  virtual Sink& item();
  virtual void end_item() {}
  virtual void end_list() {}
  virtual void begin_struct();
  virtual Sink& member(int index);
  virtual void end_struct() {}
  // -1 if there is no such member.
  virtual int member_index(std::string_view name) const;
  // Whether such values can come here, whatever they are; Time is a timestamp or date, given as an integer of
  // microseconds.
  virtual bool takes(Given given) const = 0;
  // The declared type, for messages.
  virtual std::string declared() const = 0;
  const std::string& name() const { return name_; }

 protected:
  explicit Sink(const std::string& name) : name_(name) {}  // `name` outlives the sink
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  const std::string& name_;
};

// The sink of one column.
class ColumnSink : public Sink {
 public:
  virtual int64_t rows() const = 0;
  // Forgets the rows from `rows` on.
  virtual void truncate(int64_t rows) = 0;
  virtual Column finish() = 0;
  bool last_is_null() const { return last_is_null_; }
  // What `engine/row_steps.h` may append to: the column of scalars, or of a list's, or maps; null where there is none.
  virtual RowColumn* scalars() { return nullptr; }
  // Whether null is a null in it.
  virtual bool keeps_nulls() const { return false; }
  virtual RowLists lists() { return {nullptr, nullptr, -1}; }
  virtual RowMaps* maps() { return nullptr; }

 protected:
  using Sink::Sink;
  bool last_is_null_ = false;
};

// Lies in the arena of the intake, which outlives it.
struct EndSink {
  void operator()(ColumnSink* sink) const { sink->~ColumnSink(); }
};
using SinkPtr = std::unique_ptr<ColumnSink, EndSink>;

// The sink of a field. `element`: it stands in a list, vector or map, which drops it if it is null; else a
// null list or map is empty.
SinkPtr make_sink(const FieldSpec& spec, const Type& type, bool element, Intake& intake);

// The column, in the arena.
const Column* place(const Column& column, Arena& arena);
// A count as an offset. Errors: EngineError past 2^31 - 1.
int32_t checked_count(int64_t count, const std::string& name);

}  // namespace feat

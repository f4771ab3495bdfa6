// Batches from and to the Arrow C data interface.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "engine/arrow_c.h"
#include "engine/batch.h"

namespace feat {

// What a producer handed over; released at the end.
struct ArrowPair {
  ArrowSchema schema{};
  ArrowArray array{};

  ArrowPair() = default;
  ArrowPair(ArrowPair&& other) noexcept : schema(other.schema), array(other.array) {
    other.schema.release = nullptr;
    other.array.release = nullptr;
  }
  ArrowPair& operator=(ArrowPair&&) = delete;
  ~ArrowPair() {
    if (array.release) array.release(&array);
    if (schema.release) schema.release(&schema);
  }
};

// One array of a producer, checked as far as it can be: `length` rows from `offset` on are there. Sizes of buffers are
// not part of the interface, so an offset past a string's bytes goes unseen. Errors: EngineError with `name`.
struct ArrowColumn {
  const ArrowSchema* schema;
  const ArrowArray* array;
  int64_t offset;  // the array's own included
  int64_t length;
  std::string name;  // for messages

  static ArrowColumn of(const ArrowSchema& schema, const ArrowArray& array, std::string name);
  std::string_view format() const { return schema->format; }
  // The child of a struct (its rows), or of a list (`length` of its rows from `offset` on).
  ArrowColumn child(int64_t index, int64_t offset, int64_t length) const;
  // A buffer that has to be there unless no row is.
  const void* buffer(int64_t index) const;
  bool is_valid(int64_t row) const {
    const auto* bits = static_cast<const uint8_t*>(array->buffers[0]);
    return bits == nullptr || ((bits[(offset + row) >> 3] >> ((offset + row) & 7)) & 1) != 0;
  }
  [[noreturn]] void fail(const std::string& what) const;
};

// The named columns of a record batch, as these types. Integers and floats widen; an offset, a length or a count that
// lies is an EngineError, as are a null or invalid UTF-8 where none may be. Everything is copied.
Batch import_batch(const ArrowSchema& schema, const ArrowArray& array,
                   std::span<const std::pair<std::string, Type>> types);
// The rows of an array as one column of this type, in its stored layout.
Column import_column(const ArrowColumn& source, const Type& type, Arena& arena);

// The batch as a struct array; the arrays share the batch's memory.
void export_batch(const Batch& batch, ArrowSchema& schema, ArrowArray& array);

}  // namespace feat

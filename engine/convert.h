// Columns from one form to another: stored <-> held, list <-> vector, one row -> many.
#pragma once

#include "engine/column.h"

namespace feat {

// From the stored to the held layout. What is not narrow is shared with `column`.
Column to_held(const Column& column, Arena& arena);

struct StoreOptions {
  bool finite = false;           // a float that is not finite becomes 0
  int64_t* nonfinite = nullptr;  // and is counted here
};
// A held column in the stored layout, with 0 in null rows: a copy of what does not lie in `arena` as it must be. Floats
// may be stored already.
// Errors: EngineError on a null where `type` has none, on an int32 that does not fit.
Column to_stored(const Column& column, const Type& type, Arena& arena, const StoreOptions& options);

// Whether its Lists and Vectors are as `type` declares them, at every level.
bool conforms_inside(const Column& column, const Type& type);
inline bool conforms(const Column& column, const Type& type) {
  return type.children.empty() || conforms_inside(column, type);
}
// The column with Lists and Vectors as `type` declares them, at every level. Errors: EngineError when a row has not
// the vector's length.
Column conform(const Column& column, const Type& type, Arena& arena);

// A column without values (nulls, empty lists) of a type with `nothing` in it, as one of type `to`.
Column retype_nothing(const Column& column, const Type& from, const Type& to, Arena& arena);

// The first row, `count` times.
Column repeat(const Column& column, int64_t count, Arena& arena);
// Each row of a fixed-width column as often as that row of `lists` has elements, `elements` in all.
Column repeat_rows(const Column& column, const Column& lists, int64_t elements, Arena& arena);

}  // namespace feat

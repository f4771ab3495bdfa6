// Rows of Arrow arrays, given to a reader's sink.
#pragma once

#include "engine/arrow.h"
#include "engine/row_reader.h"

namespace feat {

// Gives each struct of a struct array to `row`. Errors: EngineError naming the row and the field.
void read_structs(const ArrowSchema& schema, const ArrowArray& array, RowSink& row);

// Gives each struct of a list of structs a row to `row`; a null list is empty. Returns the offsets of the rows
// in the structs, length + 1 of them. Errors: EngineError naming the row and the field.
const int32_t* read_struct_lists(const ArrowSchema& schema, const ArrowArray& array, RowSink& row, Arena& arena);

}  // namespace feat

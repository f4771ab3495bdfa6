// Columns as Python objects.
#pragma once

#include <nanobind/nanobind.h>

#include "engine/batch.h"

namespace feat {

// The rows as None, bool, int, float, str, list, or dict.
nanobind::list python_values(const Column& column);
// [n] for a scalar, [n, k] for a vector (further dimensions for vectors in it): a read-only numpy array over the
// column's memory. Errors: EngineError for strings, lists, maps and nulls.
nanobind::object python_tensor(const Batch& batch, size_t place);

}  // namespace feat

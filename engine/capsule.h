// Arrow's PyCapsule interface.
#pragma once

#include <nanobind/nanobind.h>

#include "engine/arrow.h"

namespace feat {

// What `object.__arrow_c_array__()` gives, taken over. Errors: EngineError if it has no such method or gives something
// else. Needs the GIL, as does destroying the pair when a producer's release does.
ArrowPair take_arrow(nanobind::handle object);
// The two capsules of a batch.
nanobind::tuple give_arrow(const Batch& batch);

}  // namespace feat

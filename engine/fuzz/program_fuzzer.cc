// Any bytes as a native program: it is refused with an EngineError, or runs, on no rows, one and several.
#include <algorithm>

#include "engine/fuzz/values.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const feat::Program program({reinterpret_cast<const char*>(data), size});
    for (const auto& input : program.inputs())
      if (!feat::fuzz::is_small(input.type)) return 0;
    for (const int64_t num_rows : {0, 1, 5}) {
      const feat::Batch batch = feat::fuzz::batch_for(program, num_rows);
      program.run(std::span(&batch, 1), num_rows);
    }
  } catch (const feat::EngineError&) {
    return 0;
  }
  return 0;
}

// Puts one instruction where several of them can be done together.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/program.h"

namespace feat {

// Replaces each chain that the registry has a kernel for, and each list of what is found in maps: the last instruction
// does the work of all, the others become `fused`. `form` is that of the outputs, `first` the register of the first
// instruction.
void fuse(std::vector<Instruction>& instructions, const std::vector<Program::Constant>& constants,
          const std::vector<Program::Output>& outputs, const Form& form, size_t first);

}  // namespace feat

// Puts one instruction where a chain of them can be done together.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/program.h"

namespace feat {

// Replaces each chain that the registry has a kernel for: its last instruction does the work of all, the others become
// `fused`. `first` is the register of the first instruction.
void fuse(std::vector<Instruction>& instructions, const std::vector<Program::Output>& outputs, size_t first);

}  // namespace feat

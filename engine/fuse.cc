#include "engine/fuse.h"

#include <algorithm>

namespace feat {

namespace {

class Fuser {
 public:
  Fuser(std::vector<Instruction>& instructions, const std::vector<Program::Output>& outputs, size_t first)
      : instructions_(instructions), first_(first), readers_(instructions.size()) {
    for (const Instruction& instruction : instructions) {
      for (const Operand& operand : instruction.operands) count(operand);
    }
    for (const Program::Output& output : outputs) count(output.from);
  }

  void run() {
    for (size_t last = 0; last < instructions_.size(); ++last) {
      for (const auto& chain : Registry::all().chains()) {
        if (fuse_at(last, *chain)) break;
      }
    }
  }

 private:
  bool is_made(const Operand& operand) const { return !operand.constant && operand.index >= first_; }
  void count(const Operand& operand) {
    if (is_made(operand)) ++readers_[operand.index - first_];
  }

  // The instructions of a chain that ends with `last`, the first one first; empty if they are no such chain.
  std::vector<size_t> chain_to(size_t last, const Chain& chain) const {
    std::vector<size_t> found;
    for (size_t k = chain.links.size(), at = last; k-- > 0;) {
      const Instruction& instruction = instructions_[at];
      if (instruction.kernel != chain.links[k].kernel || instruction.mapped != chain.links[k].mapped) return {};
      found.insert(found.begin(), at);
      if (k == 0) break;
      if (instruction.operands.size() != 1 || !is_made(instruction.operands[0])) return {};
      at = instruction.operands[0].index - first_;
      if (readers_[at] != 1) return {};
    }
    return found;
  }

  bool fuse_at(size_t last, const Chain& chain) {
    const std::vector<size_t> found = chain_to(last, chain);
    if (found.empty()) return false;
    auto states = std::make_shared<Chain::States>();
    for (const size_t at : found) {
      states->push_back(instructions_[at].state);
      instructions_[at].fused = at != last;
    }
    Instruction& all = instructions_[last];
    all.kernel = &chain.kernel;
    all.operands = instructions_[found[0]].operands;
    all.state = std::move(states);
    return true;
  }

  std::vector<Instruction>& instructions_;
  size_t first_;
  std::vector<int> readers_;
};

}  // namespace

void fuse(std::vector<Instruction>& instructions, const std::vector<Program::Output>& outputs, size_t first) {
  Fuser(instructions, outputs, first).run();
}

}  // namespace feat

#include "engine/fuse.h"

#include <algorithm>
#include <utility>

namespace feat {

namespace {

class Fuser {
 public:
  Fuser(std::vector<Instruction>& instructions, const std::vector<Program::Constant>& constants,
        const std::vector<Program::Output>& outputs, const Form& form, size_t first)
      : instructions_(instructions),
        constants_(constants),
        outputs_(outputs),
        form_(form),
        first_(first),
        readers_(instructions.size()) {
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
      fuse_list(last);
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

  // The instruction that alone makes an operand, for nobody else; null if there is no such.
  Instruction* only_for(const Operand& operand, const Kernel* kernel) {
    if (!is_made(operand) || readers_[operand.index - first_] != 1) return nullptr;
    Instruction& maker = instructions_[operand.index - first_];
    return maker.kernel == kernel && maker.mapped == 0 ? &maker : nullptr;
  }

  // `find(…) ?? constant`: the finding, made a part; false if an element is nothing of this kind.
  bool find_part(const Operand& element, const FoundList::Kernels& kernels, FoundList::Part& part,
                 std::vector<Operand>& operands) {
    Instruction* otherwise = only_for(element, kernels.otherwise);
    if (otherwise == nullptr || !otherwise->operands[1].constant) return false;
    const Column& constant = constants_[otherwise->operands[1].index].column;
    if (!constant.is_valid(0)) return false;
    for (const Kernel* finder : kernels.finders) {
      Instruction* found = only_for(otherwise->operands[0], finder);
      if (found == nullptr) continue;
      part.kernel = finder;
      part.state = found->state;
      part.otherwise = *constant.as<double>();
      operands = found->operands;
      otherwise->fused = found->fused = true;
      return true;
    }
    return false;
  }

  // Whether an instruction's result is stored as float32, and nothing else reads it.
  bool is_narrow_output(size_t at) const {
    if (readers_[at] != 1) return false;
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (!is_made(outputs_[i].from) || outputs_[i].from.index - first_ != at) continue;
      return form_[i].type.element().kind == Kind::Float32;
    }
    return false;
  }

  void fuse_list(size_t at) {
    Instruction& list = instructions_[at];
    const FoundList::Kernels& kernels = Registry::all().found_list();
    if (list.kernel != kernels.list || list.mapped != 0) return;
    const Type& element = list.result.element();
    if (!element.is_float() || element.nullable) return;
    struct Found {
      FoundList::Part part;
      std::vector<Operand> operands;
    };
    std::vector<Found> found;
    for (const Operand& operand : list.operands) {
      Found& one = found.emplace_back();
      one.part.place = std::ssize(found) - 1;
      if (!find_part(operand, kernels, one.part, one.operands)) one.operands = {operand};
    }
    const auto is_found = [](const Found& one) { return one.part.kernel != nullptr; };
    if (std::ranges::none_of(found, is_found)) return;
    // What is found by one key, one behind the other: its rows by key stay in the cache.
    std::ranges::stable_sort(found, {}, [&](const Found& one) {
      return is_found(one) ? std::pair(one.operands.back().constant ? 1 : 2, one.operands.back().index)
                           : std::pair(0, uint32_t{0});
    });
    auto state = std::make_shared<FoundList>();
    state->narrow = is_narrow_output(at);
    if (state->narrow) list.is_output = true;
    std::vector<Operand> operands;
    for (Found& one : found) {
      one.part.first_argument = operands.size();
      one.part.argument_count = one.operands.size();
      operands.insert(operands.end(), one.operands.begin(), one.operands.end());
      state->parts.push_back(std::move(one.part));
    }
    list.kernel = &kernels.all;
    list.operands = std::move(operands);
    list.state = std::move(state);
  }

  std::vector<Instruction>& instructions_;
  const std::vector<Program::Constant>& constants_;
  const std::vector<Program::Output>& outputs_;
  const Form& form_;
  size_t first_;
  std::vector<int> readers_;
};

}  // namespace

void fuse(std::vector<Instruction>& instructions, const std::vector<Program::Constant>& constants,
          const std::vector<Program::Output>& outputs, const Form& form, size_t first) {
  Fuser(instructions, constants, outputs, form, first).run();
}

}  // namespace feat

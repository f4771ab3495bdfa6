// A native program: instructions on registers, read from a file and validated whole.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/arena.h"
#include "engine/batch.h"
#include "engine/kernel.h"
#include "engine/type.h"

namespace feat {

struct Operand {
  bool constant = false;
  uint32_t index = 0;  // of the register or the constant
  uint8_t mapped = 0;  // lists deep
};

struct Instruction {
  std::string op;
  Type result;
  const Kernel* kernel = nullptr;
  std::shared_ptr<const void> state;
  std::vector<Operand> operands;
  uint8_t mapped = 0;  // lists deep: the most of its operands
  bool drops_null = false;
  bool fused = false;      // done by a later one
  bool is_output = false;  // as it is: its result is made where outputs lie
};

class Program {
 public:
  struct Output {
    Operand from;
    bool finite = false;  // what is not finite becomes 0, and is counted
  };
  struct Constant {
    Type type;
    Column column;  // one row, held layout
  };

  // Errors: EngineError that says what in the file is wrong.
  explicit Program(std::string_view file);

  std::span<const NamedType> inputs() const { return inputs_; }
  std::span<const NamedType> outputs() const { return form_->columns(); }
  // The outputs, `num_rows` long. Each input is found by name in one of the batches, which have `num_rows` rows or one.
  // Thread safe.
  Batch run(std::span<const Batch> batches, int64_t num_rows) const;
  int64_t nonfinite_total() const { return nonfinite_.load(std::memory_order_relaxed); }

 private:
  friend class ProgramReader;
  friend class Driver;

  // Where each input is found in batches of some forms.
  struct Binding {
    struct Place {
      size_t batch = 0, column = 0;
    };
    std::vector<std::shared_ptr<const Form>> forms;
    std::vector<Place> places;
    std::vector<bool> same;  // by output: an input, of the output's very type
  };
  // Errors: EngineError for an input that is not there, or of another type.
  std::shared_ptr<const Binding> bind(std::span<const Batch> batches) const;

  std::vector<NamedType> inputs_;
  std::vector<bool> is_read_;  // of each input: by an instruction
  std::vector<bool> is_held_;  // of each input: by what wants the layout that programs hold
  std::vector<Constant> constants_;
  std::vector<Instruction> instructions_;
  std::vector<Output> outputs_;
  std::shared_ptr<const Form> form_;  // of the outputs
  std::unique_ptr<Arena> memory_;     // of the constants
  mutable std::atomic<int64_t> nonfinite_ = 0;
  // The last few, so that names are looked for once: the batches of calls have the same forms.
  mutable std::mutex bound_mutex_;
  mutable std::array<std::shared_ptr<const Binding>, 4> bound_;
  mutable size_t bound_next_ = 0;
};

}  // namespace feat

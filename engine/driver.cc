// Runs a program's instructions: what kernels do not see of nulls, lists, constants and single rows.
#include <algorithm>
#include <cstring>

#include "engine/convert.h"
#include "engine/program.h"

namespace feat {
namespace {

constexpr size_t kKeptScratch = size_t{16} << 20;

// The scratch memory of this thread, used by one call after the other.
class Scratch {
 public:
  Scratch() : arena_(of_thread()) {}
  ~Scratch() { arena_.reset(kKeptScratch); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Arena& arena() { return arena_; }

 private:
  static Arena& of_thread() {
    thread_local Arena arena;
    return arena;
  }
  Arena& arena_;
};

// A value during the call. `single`: one row that stands for all.
struct Slot {
  Column column;
  bool single = false;
  const Column* wide = nullptr;  // the single row repeated, once it was needed
};

bool same_rows(const Column& a, const Column& b) {
  return a.offsets == b.offsets && a.width == b.width && a.valid == b.valid;
}

}  // namespace

class Driver {
 public:
  Driver(const Program& program, int64_t num_rows, Arena& arena)
      : program_(program), num_rows_(num_rows), arena_(arena), codes_(arena) {
    registers_ = arena.take<Slot>(static_cast<int64_t>(program.inputs_.size() + program.instructions_.size()));
    constants_ = arena.take<Slot>(static_cast<int64_t>(program.constants_.size()));
    for (size_t i = 0; i < program.constants_.size(); ++i)
      new (constants_ + i) Slot{program.constants_[i].column, true};
  }

  void load_inputs(std::span<const Batch> batches) {
    for (const Batch& batch : batches) {
      if (batch.num_rows() != num_rows_ && batch.num_rows() != 1) {
        throw EngineError("a batch of " + std::to_string(batch.num_rows()) + " rows in a run of " +
                          std::to_string(num_rows_));
      }
    }
    batches_ = batches;
    binding_ = program_.bind(batches);
    Slot* next = registers_;
    for (size_t i = 0; i < binding_->places.size(); ++i, ++next) {
      if (program_.is_read_[i]) load_input(i);
    }
  }

  void execute() {
    Slot* next = registers_ + program_.inputs_.size();
    for (const Instruction& instruction : program_.instructions_) {
      if (instruction.fused) {
        new (next++) Slot{};
        continue;
      }
      ++kernel_run();
      try {
        new (next++) Slot(instruction.mapped ? run_mapped(instruction) : run_flat(instruction));
      } catch (const EngineError& error) {
        throw EngineError("`" + instruction.op + "`: " + error.what());
      }
    }
  }

  Batch outputs(int64_t& nonfinite) {
    std::vector<Column> columns;
    std::vector<std::shared_ptr<const Arena>> memory{memory_};
    std::vector<uint32_t> in;  // by column: which of these it lies in
    columns.reserve(program_.outputs_.size());
    in.reserve(program_.outputs_.size());
    for (const Program::Output& output : program_.outputs_) {
      const NamedType& declared = (*program_.form_)[columns.size()];
      if (const Batch* given = passed_on(output, columns.size())) {
        const size_t place = binding_->places[output.from.index].column;
        if (memory.back() != given->memory(place)) memory.push_back(given->memory(place));
        in.push_back(static_cast<uint32_t>(memory.size() - 1));
        columns.push_back(given->column(place));
        continue;
      }
      in.push_back(0);
      try {
        Slot& slot = at(output.from);
        const Column& held = slot.single ? widened(slot) : slot.column;
        const StoreOptions options{output.finite, &nonfinite};
        if (conforms(held, declared.type)) {
          columns.push_back(to_stored(held, declared.type, *memory_, options));
        } else {
          columns.push_back(to_stored(conform(held, declared.type, arena_), declared.type, *memory_, options));
        }
      } catch (const EngineError& error) {
        throw EngineError("output `" + declared.name + "`: " + error.what());
      }
    }
    return {num_rows_, program_.form_, std::move(columns), std::move(memory), std::move(in)};
  }

 private:
  void load_input(size_t place) {
    const auto [from, column] = binding_->places[place];
    const Batch& batch = batches_[from];
    const Column& given = batch.column(column);
    const bool single = batch.num_rows() == 1 && num_rows_ != 1;
    // As it is stored only where one row stands for all: each part of a list would widen the maps of many for itself.
    const bool as_stored = single && !program_.is_held_[place];
    new (registers_ + place) Slot{as_stored ? given : to_held(given, arena_), single};
  }

  // The batch with an input that is an output as it stands there; null if there is none. Where an output has to be
  // made of an input that nothing else reads, that is loaded now.
  const Batch* passed_on(const Program::Output& output, size_t number) {
    const size_t place = output.from.index;
    if (output.from.constant || place >= program_.inputs_.size()) return nullptr;
    const auto [from, column] = binding_->places[place];
    const Batch& batch = batches_[from];
    const bool has_nulls = batch.column(column).valid != nullptr;
    const bool as_it_is = !output.finite && !has_nulls && batch.num_rows() == num_rows_;
    if (as_it_is && binding_->same[number]) return &batch;
    if (!program_.is_read_[place]) load_input(place);
    return nullptr;
  }

  Slot& at(const Operand& operand) { return (operand.constant ? constants_ : registers_)[operand.index]; }

  // The single row of a slot, `num_rows` times.
  const Column& widened(Slot& slot) {
    if (slot.wide == nullptr) {
      auto* wide = arena_.take<Column>(1);
      *wide = repeat(slot.column, num_rows_, arena_);
      slot.wide = wide;
    }
    return *slot.wide;
  }

  bool all_single(const Instruction& instruction) {
    for (const Operand& operand : instruction.operands) {
      if (!at(operand).single) return false;
    }
    return true;
  }

  // --- an instruction on rows ---

  Slot run_flat(const Instruction& instruction) {
    const bool single = all_single(instruction);
    arguments_.clear();
    for (size_t a = 0; a < instruction.operands.size(); ++a) {
      Slot& slot = at(instruction.operands[a]);
      const Parameter& parameter = instruction.kernel->parameter(a);
      Argument& argument = arguments_.emplace_back(&slot.column);
      if (slot.single && !single) {
        if (parameter.dense) {
          argument.column = &widened(slot);
        } else {
          argument.step = 0;
        }
      }
      mark_list(argument, parameter);
    }
    return {run_kernel(instruction, instruction.result, single ? 1 : num_rows_), single};
  }

  static void mark_list(Argument& argument, const Parameter& parameter) {
    if (!parameter.or_list) return;
    const Layout layout = argument.column->layout;
    argument.as_list = layout == Layout::List || layout == Layout::Vector;
  }

  Column run_kernel(const Instruction& instruction, const Type& result, int64_t rows) {
    Arena& arena = instruction.is_output && rows != 1 ? *memory_ : arena_;
    const Call call{arguments_, rows, instruction.state.get(), result, arena, codes_};
    Column column = instruction.kernel->run(call);
    if (!conforms(column, result)) column = conform(column, result, arena);
    if (column.valid != nullptr && std::memchr(column.valid, 0, static_cast<size_t>(rows)) == nullptr) {
      column.valid = nullptr;
    }
    return column;
  }

  // --- an instruction on the elements of lists ---

  Slot run_mapped(const Instruction& instruction) {
    const bool single = all_single(instruction);
    const size_t count = instruction.operands.size();
    arguments_.clear();
    for (const Operand& operand : instruction.operands) {
      Slot& slot = at(operand);
      Argument& argument = arguments_.emplace_back(&slot.column);
      if (slot.single && !single) {
        if (operand.mapped > 0) {
          argument.column = &widened(slot);
        } else {
          argument.step = 0;
        }
      }
    }
    levels_.clear();
    columns_.clear();
    columns_.reserve(count * (instruction.mapped + size_t{1}));
    int64_t elements = single ? 1 : num_rows_;
    for (int level = 0; level < instruction.mapped; ++level) elements = go_inside(instruction, level, elements);
    for (size_t a = 0; a < count; ++a) {
      Argument& argument = arguments_[a];
      const Parameter& parameter = instruction.kernel->parameter(a);
      if (argument.step == 0 && parameter.dense) argument = kept(repeat(*argument.column, elements, arena_));
      mark_list(argument, parameter);
    }
    auto* child = arena_.take<Column>(1);
    *child = run_kernel(instruction, instruction.result.inside(instruction.mapped), elements);
    return {conform(lists_around(child, instruction.drops_null), instruction.result, arena_), single};
  }

  // The arguments for the elements of the lists at this level; returns how many elements there are. An argument
  // that is not mapped so deep is the same for all elements of its row.
  int64_t go_inside(const Instruction& instruction, int level, int64_t rows) {
    lists_.clear();
    for (size_t a = 0; a < arguments_.size(); ++a) {
      if (instruction.operands[a].mapped > level) lists_.push_back(*arguments_[a].column);
    }
    const Column row = align(rows);
    const int64_t elements = lists_[0].child->length;
    size_t list = 0;
    for (size_t a = 0; a < arguments_.size(); ++a) {
      Argument& argument = arguments_[a];
      if (instruction.operands[a].mapped > level) {
        argument = {lists_[list++].child};
      } else if (argument.step != 0) {
        argument = repeated(argument, row, elements, instruction.kernel->parameter(a).dense);
      }
    }
    levels_.push_back(row);
    return elements;
  }

  // The lists of all levels around the elements.
  Column lists_around(const Column* child, bool drops_null) {
    Column out;
    for (size_t level = levels_.size(); level-- > 0;) {
      out = levels_[level];
      out.child = child;
      if (level + 1 == levels_.size() && drops_null && child->valid != nullptr) out = without_null(out);
      if (level == 0) break;
      auto* inner = arena_.take<Column>(1);
      *inner = out;
      child = inner;
    }
    return out;
  }

  Argument kept(Column column) {
    columns_.push_back(column);
    return {&columns_.back()};
  }

  // Makes the mapped lists go element by element beside each other; returns their rows: extents and validity.
  // Errors: EngineError when they have not equally many elements in a row.
  Column align(int64_t rows) {
    bool any_null = false, aligned = true;
    for (const Column& list : lists_) {
      any_null |= list.valid != nullptr;
      aligned &= same_rows(list, lists_[0]);
    }
    Column row = lists_[0];
    if (aligned && !(any_null && row.layout == Layout::Vector)) return row;
    uint8_t* valid = nullptr;
    if (any_null) {
      valid = arena_.take<uint8_t>(rows);
      for (int64_t i = 0; i < rows; ++i) {
        valid[i] = 1;
        for (const Column& list : lists_) valid[i] &= list.is_valid(i);
      }
    }
    auto* offsets = arena_.take<int32_t>(rows + 1);
    offsets[0] = 0;
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t size = valid == nullptr || valid[i] ? row.start(i + 1) - row.start(i) : 0;
      offsets[i + 1] = checked_offset(offsets[i] + size);
      for (const Column& list : lists_) {
        const int64_t other = list.start(i + 1) - list.start(i);
        if ((valid == nullptr || valid[i]) && other != size) {
          throw EngineError("lists of " + std::to_string(size) + " and " + std::to_string(other) +
                            " elements beside each other, row " + std::to_string(i));
        }
      }
    }
    if (valid != nullptr) {
      for (Column& list : lists_) list.child = kept_elements(list, offsets, rows);
    }
    row.layout = Layout::List;
    row.width = 0;
    row.valid = valid;
    row.offsets = offsets;
    return row;
  }

  // The elements of the rows that `offsets` gives any.
  const Column* kept_elements(const Column& list, const int32_t* offsets, int64_t rows) {
    if (list.child->length == offsets[rows]) return list.child;
    auto* picked = arena_.take<int32_t>(offsets[rows]);
    for (int64_t i = 0; i < rows; ++i) {
      for (int32_t k = offsets[i]; k < offsets[i + 1]; ++k)
        picked[k] = static_cast<int32_t>(list.start(i)) + k - offsets[i];
    }
    auto* kept = arena_.take<Column>(1);
    *kept = gather(*list.child, picked, offsets[rows], arena_);
    return kept;
  }

  // Each row of an argument for all its elements.
  Argument repeated(Argument argument, const Column& row, int64_t elements, bool dense) {
    if (dense) return kept(repeat_rows(*argument.column, row, elements, arena_));
    const int32_t* rows = row_of_elements(row, elements);
    if (argument.rows != nullptr) {
      auto* outer = arena_.take<int32_t>(elements);
      for (int64_t k = 0; k < elements; ++k) outer[k] = argument.rows[rows[k]];
      rows = outer;
    }
    argument.rows = rows;
    return argument;
  }

  // For each element its row; kept, since often many instructions map over one list.
  const int32_t* row_of_elements(const Column& row, int64_t elements) {
    if (kept_rows_ != nullptr && kept_offsets_ == row.offsets && kept_width_ == row.width && kept_count_ == elements) {
      return kept_rows_;
    }
    auto* rows = arena_.take<int32_t>(elements);
    for (int64_t i = 0; i < row.length; ++i) {
      for (int64_t k = row.start(i); k < row.start(i + 1); ++k) rows[k] = static_cast<int32_t>(i);
    }
    kept_rows_ = rows;
    kept_offsets_ = row.offsets;
    kept_width_ = row.width;
    kept_count_ = elements;
    return rows;
  }

  // A list without its null elements.
  Column without_null(const Column& list) {
    const Column& child = *list.child;
    auto* picked = arena_.take<int32_t>(child.length);
    auto* offsets = arena_.take<int32_t>(list.length + 1);
    int32_t end = 0;
    offsets[0] = 0;
    for (int64_t i = 0; i < list.length; ++i) {
      for (int64_t k = list.start(i); k < list.start(i + 1); ++k) {
        picked[end] = static_cast<int32_t>(k);
        end += child.valid[k];
      }
      offsets[i + 1] = end;
    }
    auto* kept = arena_.take<Column>(1);
    *kept = gather(child, picked, end, arena_);
    Column out = list;
    out.layout = Layout::List;
    out.width = 0;
    out.offsets = offsets;
    out.child = kept;
    return out;
  }

  const Program& program_;
  const int64_t num_rows_;
  Arena& arena_;
  const std::shared_ptr<Arena> memory_ = batch_memory();  // of the outputs
  TextCodes codes_;
  std::span<const Batch> batches_;
  std::shared_ptr<const Program::Binding> binding_;
  Slot* registers_;
  Slot* constants_;
  // Of the instruction at work.
  std::vector<Argument> arguments_;
  std::vector<Column> lists_, columns_, levels_;

  const int32_t* kept_rows_ = nullptr;
  const int32_t* kept_offsets_ = nullptr;
  int64_t kept_width_ = 0, kept_count_ = 0;
};

std::shared_ptr<const Program::Binding> Program::bind(std::span<const Batch> batches) const {
  const auto form_of = [](const Batch& batch) -> const std::shared_ptr<const Form>& { return batch.form(); };
  {
    const std::lock_guard lock(bound_mutex_);
    for (const auto& known : bound_) {
      if (known != nullptr && std::ranges::equal(known->forms, batches, {}, {}, form_of)) return known;
    }
  }
  auto binding = std::make_shared<Binding>();
  for (const Batch& batch : batches) binding->forms.push_back(batch.form());
  for (const NamedType& input : inputs_) {
    const auto holder = std::ranges::find_if(batches, [&](const Batch& batch) { return batch.find(input.name) >= 0; });
    if (holder == batches.end()) throw EngineError("no batch has the input `" + input.name + "`");
    const size_t column = holder->place_of(input.name);
    if (!holder->type(column).same_values(input.type)) {
      throw EngineError("the input `" + input.name + "` is a `" + holder->type(column).text() + "`, wanted `" +
                        input.type.text() + "`");
    }
    binding->places.push_back({static_cast<size_t>(holder - batches.begin()), column});
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Operand& from = outputs_[i].from;
    const bool is_input = !from.constant && from.index < inputs_.size();
    binding->same.push_back(is_input && inputs_[from.index].type.same_values((*form_)[i].type));
  }
  const std::lock_guard lock(bound_mutex_);
  bound_[bound_next_++ % bound_.size()] = binding;
  return binding;
}

Batch Program::run(std::span<const Batch> batches, int64_t num_rows) const {
  if (num_rows < 0) throw EngineError("a run of " + std::to_string(num_rows) + " rows");
  checked_offset(num_rows);
  Scratch scratch;
  Driver driver(*this, num_rows, scratch.arena());
  driver.load_inputs(batches);
  driver.execute();
  int64_t nonfinite = 0;
  Batch out = driver.outputs(nonfinite);
  if (nonfinite > 0) nonfinite_.fetch_add(nonfinite, std::memory_order_relaxed);
  return out;
}

}  // namespace feat

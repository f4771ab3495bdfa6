#include <deque>

#include "engine/arrow.h"

namespace feat {
namespace {

// What an exported schema or array owns; freed by its release.
struct SchemaOwned {
  std::string format, name;
  std::deque<ArrowSchema> children;
  std::vector<ArrowSchema*> pointers;
};

struct ArrayOwned {
  std::shared_ptr<const Arena> memory;
  std::vector<uint8_t> valid_bits, value_bits;
  std::vector<const void*> buffers;
  std::deque<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
};

// A consumer may have moved children out: those have no release any more.
template <class Arrow, class Owned>
void release(Arrow* released) {
  auto* owned = static_cast<Owned*>(released->private_data);
  for (Arrow& child : owned->children) {
    if (child.release) child.release(&child);
  }
  released->release = nullptr;
  delete owned;
}

SchemaOwned& start_schema(ArrowSchema& schema, std::string name, std::string format, bool nullable) {
  auto* owned = new SchemaOwned;
  owned->name = std::move(name);
  owned->format = std::move(format);
  schema = {};
  schema.format = owned->format.c_str();
  schema.name = owned->name.c_str();
  schema.flags = nullable ? ARROW_FLAG_NULLABLE : 0;
  schema.private_data = owned;
  schema.release = release<ArrowSchema, SchemaOwned>;
  return *owned;
}

ArrowSchema& add_child(ArrowSchema& schema) {
  auto& owned = *static_cast<SchemaOwned*>(schema.private_data);
  owned.children.emplace_back();
  owned.pointers.push_back(&owned.children.back());
  schema.children = owned.pointers.data();
  schema.n_children = static_cast<int64_t>(owned.pointers.size());
  return owned.children.back();
}

std::string format_of(const Type& type) {
  switch (type.kind) {
    case Kind::Bool:
      return "b";
    case Kind::Int32:
      return "i";
    case Kind::Int64:
    case Kind::Id:
    case Kind::Nothing:
      return "l";
    case Kind::Float32:
      return "f";
    case Kind::Float64:
      return "g";
    case Kind::String:
      return "u";
    case Kind::Timestamp:
      return "tsu:UTC";
    case Kind::List:
      return "+l";
    case Kind::Vector:
      return "+w:" + std::to_string(type.size);
    case Kind::Map:
      return "+m";
  }
  return "n";
}

void export_schema(const Type& type, const std::string& name, ArrowSchema& schema) {
  start_schema(schema, name, format_of(type), type.nullable);
  if (type.is_listlike()) export_schema(type.element(), "item", add_child(schema));
  if (type.kind == Kind::Map) {
    ArrowSchema& entries = add_child(schema);
    start_schema(entries, "entries", "+s", false);
    export_schema(type.children[0], "key", add_child(entries));
    export_schema(type.children[1], "value", add_child(entries));
  }
}

std::vector<uint8_t> bitmap(const uint8_t* bytes, int64_t length) {
  std::vector<uint8_t> bits(static_cast<size_t>(length + 7) / 8 + 1);
  for (int64_t i = 0; i < length; ++i) {
    bits[static_cast<size_t>(i >> 3)] |= static_cast<uint8_t>((bytes[i] != 0) << (i & 7));
  }
  return bits;
}

ArrayOwned& start_array(ArrowArray& array, int64_t length, const std::shared_ptr<const Arena>& memory) {
  auto* owned = new ArrayOwned;
  owned->memory = memory;
  array = {};
  array.length = length;
  array.private_data = owned;
  array.release = release<ArrowArray, ArrayOwned>;
  return *owned;
}

void set_buffers(ArrowArray& array, std::vector<const void*> buffers) {
  auto& owned = *static_cast<ArrayOwned*>(array.private_data);
  owned.buffers = std::move(buffers);
  array.buffers = owned.buffers.data();
  array.n_buffers = static_cast<int64_t>(owned.buffers.size());
}

ArrowArray& add_child(ArrowArray& array) {
  auto& owned = *static_cast<ArrayOwned*>(array.private_data);
  owned.children.emplace_back();
  owned.pointers.push_back(&owned.children.back());
  array.children = owned.pointers.data();
  array.n_children = static_cast<int64_t>(owned.pointers.size());
  return owned.children.back();
}

void export_array(const Column& column, const std::shared_ptr<const Arena>& memory, ArrowArray& array) {
  ArrayOwned& owned = start_array(array, column.length, memory);
  const void* valid = nullptr;
  if (column.valid != nullptr) {
    owned.valid_bits = bitmap(column.valid, column.length);
    valid = owned.valid_bits.data();
    for (int64_t i = 0; i < column.length; ++i) array.null_count += column.valid[i] == 0;
  }
  switch (column.layout) {
    case Layout::Bool:
      owned.value_bits = bitmap(column.as<uint8_t>(), column.length);
      set_buffers(array, {valid, owned.value_bits.data()});
      break;
    case Layout::I32:
    case Layout::I64:
    case Layout::F32:
    case Layout::F64:
      set_buffers(array, {valid, column.data});
      break;
    case Layout::Str:
      set_buffers(array, {valid, column.offsets, column.data});
      break;
    case Layout::List:
      set_buffers(array, {valid, column.offsets});
      export_array(*column.child, memory, add_child(array));
      break;
    case Layout::Vector:
      set_buffers(array, {valid});
      export_array(*column.child, memory, add_child(array));
      break;
    case Layout::Map: {
      set_buffers(array, {valid, column.offsets});
      ArrowArray& entries = add_child(array);
      start_array(entries, column.child[0].length, memory);
      set_buffers(entries, {nullptr});
      export_array(column.child[0], memory, add_child(entries));
      export_array(column.child[1], memory, add_child(entries));
    }
  }
}

}  // namespace

void export_batch(const Batch& batch, ArrowSchema& schema, ArrowArray& array) {
  start_schema(schema, "", "+s", false);
  start_array(array, batch.num_rows(), nullptr);
  set_buffers(array, {nullptr});
  for (size_t i = 0; i < batch.num_columns(); ++i) {
    export_schema(batch.type(i), batch.name(i), add_child(schema));
    export_array(batch.column(i), batch.memory(i), add_child(array));
  }
}

}  // namespace feat

#include "engine/python_values.h"

#include <nanobind/ndarray.h>

namespace nb = nanobind;

namespace feat {
namespace {

nb::object python_value(const Column& column, int64_t row) {
  if (!column.is_valid(row)) return nb::none();
  switch (column.layout) {
    case Layout::Bool:
      return nb::bool_(column.as<uint8_t>()[row] != 0);
    case Layout::I32:
      return nb::int_(column.as<int32_t>()[row]);
    case Layout::I64:
      return nb::int_(column.as<int64_t>()[row]);
    case Layout::F32:
      return nb::float_(static_cast<double>(column.as<float>()[row]));
    case Layout::F64:
      return nb::float_(column.as<double>()[row]);
    case Layout::Str: {
      const std::string_view text = column.text(row);
      return nb::str(text.data(), text.size());
    }
    case Layout::List:
    case Layout::Vector: {
      nb::list items;
      for (int64_t i = column.start(row); i < column.start(row + 1); ++i) items.append(python_value(*column.child, i));
      return items;
    }
    case Layout::Map: {
      nb::dict entries;
      for (int64_t i = column.start(row); i < column.start(row + 1); ++i) {
        entries[python_value(column.child[0], i)] = python_value(column.child[1], i);
      }
      return entries;
    }
  }
  return nb::none();
}

nb::dlpack::dtype dtype_of(const NamedType& column, Layout layout) {
  switch (layout) {
    case Layout::Bool:
      return nb::dtype<bool>();
    case Layout::I32:
      return nb::dtype<int32_t>();
    case Layout::I64:
      return nb::dtype<int64_t>();
    case Layout::F32:
      return nb::dtype<float>();
    case Layout::F64:
      return nb::dtype<double>();
    default:
      throw EngineError("the column `" + column.name + "` is no tensor but a `" + column.type.text() + "`");
  }
}

}  // namespace

nb::list python_values(const Column& column) {
  nb::list rows;
  for (int64_t i = 0; i < column.length; ++i) rows.append(python_value(column, i));
  return rows;
}

nb::object python_tensor(const Batch& batch, size_t place) {
  const Column* values = &batch.column(place);
  std::vector<size_t> shape{static_cast<size_t>(values->length)};
  const auto check_nulls = [&] {
    if (values->valid == nullptr) return;
    throw EngineError("the column `" + batch.name(place) + "` has nulls, so it is no tensor");
  };
  check_nulls();
  while (values->layout == Layout::Vector) {
    shape.push_back(static_cast<size_t>(values->width));
    values = values->child;
    check_nulls();
  }
  const nb::dlpack::dtype dtype = dtype_of((*batch.form())[place], values->layout);
  using Memory = std::shared_ptr<const Arena>;
  const nb::capsule owner(new Memory(batch.memory(place)),
                          [](void* memory) noexcept { delete static_cast<Memory*>(memory); });
  return nb::cast(nb::ndarray<nb::numpy, nb::ro>(values->data, shape.size(), shape.data(), owner, nullptr, dtype));
}

}  // namespace feat

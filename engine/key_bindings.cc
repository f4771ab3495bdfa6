// Keys as Python sees them: conversions only.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "engine/keys.h"
#include "engine/python_arrays.h"
#include "engine/python_keys.h"
#include "engine/request_keys.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace feat {

namespace {

void make_keys(Keys* self, const nb::sequence& given) { new (self) Keys(to_keys(given)); }

nb::object to_python(const Keys& keys, size_t i) {
  const std::string_view key = keys[i];
  switch (keys.kind(i)) {
    case Keys::Kind::Null:
      return nb::none();
    case Keys::Kind::Integer:
      return nb::steal(PyLong_FromString(std::string(key).c_str(), nullptr, 10));
    case Keys::Kind::Text:
      break;
  }
  PyObject* text = PyUnicode_DecodeUTF8(key.data(), static_cast<Py_ssize_t>(key.size()), "surrogatepass");
  if (text == nullptr) throw nb::python_error();
  return nb::steal(text);
}

nb::object item(const Keys& keys, nb::handle place) {
  const auto size = static_cast<int64_t>(keys.size());
  if (PySlice_Check(place.ptr())) {
    Py_ssize_t start = 0, stop = 0, step = 0;
    if (PySlice_Unpack(place.ptr(), &start, &stop, &step) != 0) throw nb::python_error();
    std::vector<int64_t> places(static_cast<size_t>(PySlice_AdjustIndices(size, &start, &stop, step)));
    for (int64_t& at : places) at = std::exchange(start, start + step);
    return nb::cast(keys.take(places));
  }
  auto at = nb::cast<int64_t>(place);
  if (at < 0) at += size;
  if (at < 0 || at >= size) throw nb::index_error("no such key");
  return to_python(keys, static_cast<size_t>(at));
}

nb::object distinct(const Keys& keys) {
  Keys::Distinct found;
  {
    const nb::gil_scoped_release released;
    found = keys.distinct();
  }
  if (found.first.size() == keys.size()) return nb::none();
  return nb::make_tuple(to_array(std::move(found.first)), to_array(std::move(found.which)));
}

nb::tuple of_column(const Batch& batch, const std::string& name) {
  Keys::OfColumn found = Keys::of_column(batch, name);
  nb::object lengths = nb::none();
  if (found.of_lists) lengths = nb::cast(found.lengths);
  return nb::make_tuple(nb::cast(std::move(found.keys)), lengths);
}

Keys together(const nb::sequence& columns) {
  std::vector<const Keys*> all;
  for (const nb::handle column : columns) all.push_back(&nb::cast<const Keys&>(column));
  return Keys::together(all);
}

nb::object request_keys(const nb::bytes& message, uint32_t field) {
  std::optional<RequestKeys> read = read_request_keys({message.c_str(), message.size()}, field);
  if (!read) return nb::none();
  nb::dict by_entity;
  for (auto& [name, keys] : read->by_entity) by_entity[nb::str(name.data(), name.size())] = nb::cast(std::move(keys));
  return nb::make_tuple(by_entity, nb::bytes(read->rest.data(), read->rest.size()));
}

}  // namespace

void bind_keys(nb::module_& module) {
  nb::class_<Keys>(module, "Keys")
      .def("__init__", &make_keys, "keys"_a)
      .def("__len__", &Keys::size)
      .def("__getitem__", &item, "place"_a)
      .def_prop_ro("are_texts", &Keys::are_texts)
      .def_prop_ro("fit_int32", &Keys::fit_int32)
      .def("distinct", &distinct)
      .def(
          "take", [](const Keys& self, const Places& places) { return self.take(span_of(places)); }, "places"_a)
      .def(
          "column",
          [](const Keys& self, const std::string& name, const std::string& type) {
            return self.column(name, Type::parse(type));
          },
          "name"_a, "type"_a)
      .def_static("together", &together, "columns"_a)
      .def_static("of_column", &of_column, "batch"_a, "name"_a);
  module.def("request_keys", &request_keys, "message"_a, "field"_a);
}

}  // namespace feat

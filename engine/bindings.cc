// The Python module `engine._engine`; what it does is documented in `_engine.pyi`.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "engine/batch.h"
#include "engine/capsule.h"
#include "engine/cpu.h"
#include "engine/kernel.h"
#include "engine/program.h"
#include "engine/python_values.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace feat {

void bind_cache(nb::module_& m);   // cache_bindings.cc
void bind_keys(nb::module_& m);    // key_bindings.cc
void bind_rows(nb::module_& m);    // row_bindings.cc
void bind_store(nb::module_& m);   // store_bindings.cc
void bind_tables(nb::module_& m);  // table_bindings.cc

}  // namespace feat

namespace {

using namespace feat;
using NameTypes = std::vector<std::pair<std::string, std::string>>;

Batch batch_from_arrow(nb::handle array, const NameTypes& types) {
  const ArrowPair pair = take_arrow(array);
  std::vector<std::pair<std::string, Type>> wanted;
  for (const auto& [name, type] : types) wanted.emplace_back(name, Type::parse(type));
  nb::gil_scoped_release unlocked;
  return import_batch(pair.schema, pair.array, wanted);
}

Batch take_rows(const Batch& batch, nb::ndarray<const int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> rows) {
  nb::gil_scoped_release unlocked;
  return batch.take({rows.data(), rows.size()});
}

nb::dict tensors(const Batch& batch, const std::vector<std::string>& names) {
  nb::dict all;
  for (const std::string& name : names)
    all[nb::str(name.c_str(), name.size())] = python_tensor(batch, batch.place_of(name));
  return all;
}

template <class Fields>
NameTypes name_types(const Fields& fields) {
  NameTypes out;
  for (const auto& field : fields) out.emplace_back(field.name, field.type.text());
  return out;
}

void bind_batch(nb::module_& m) {
  nb::class_<Batch>(m, "Batch")
      .def_static("from_arrow", batch_from_arrow, "array"_a, "types"_a)
      .def_prop_ro("num_rows", &Batch::num_rows)
      .def_prop_ro("names",
                   [](const Batch& self) {
                     std::vector<std::string> names;
                     for (const NamedType& column : self.form()->columns()) names.push_back(column.name);
                     return names;
                   })
      .def(
          "type", [](const Batch& self, const std::string& name) { return self.type(self.place_of(name)).text(); },
          "name"_a)
      .def(
          "select", [](const Batch& self, const std::vector<std::string>& names) { return self.select(names); },
          "names"_a)
      .def("carried", &Batch::carried)
      .def("merge", &Batch::merge, "other"_a)
      .def("take", take_rows, "rows"_a)
      .def(
          "tensor", [](const Batch& self, const std::string& name) { return python_tensor(self, self.place_of(name)); },
          "name"_a)
      .def("tensors", &tensors, "names"_a)
      .def(
          "values",
          [](const Batch& self, const std::string& name) { return python_values(self.column(self.place_of(name))); },
          "name"_a)
      .def(
          "__arrow_c_array__", [](const Batch& self, nb::handle) { return give_arrow(self); },
          "requested_schema"_a = nb::none());
}

void bind_program(nb::module_& m) {
  nb::class_<Program>(m, "Program")
      .def(
          "__init__",
          [](Program* self, nb::bytes data) {
            const std::string_view file(data.c_str(), data.size());
            nb::gil_scoped_release unlocked;
            new (self) Program(file);
          },
          "data"_a)
      .def_prop_ro("inputs", [](const Program& self) { return name_types(self.inputs()); })
      .def_prop_ro("outputs", [](const Program& self) { return name_types(self.outputs()); })
      .def(
          "run",
          [](const Program& self, const std::vector<Batch>& batches, int64_t num_rows) {
            nb::gil_scoped_release unlocked;
            return self.run(batches, num_rows);
          },
          "batches"_a, "num_rows"_a)
      .def_prop_ro("nonfinite_total", &Program::nonfinite_total);
}

}  // namespace

NB_MODULE(_engine, m) {
  m.doc() = "The engine: see engine/_engine.pyi.";
  nb::exception<EngineError>(m, "EngineError", PyExc_ValueError);
  bind_batch(m);
  bind_program(m);
  bind_keys(m);
  bind_store(m);
  bind_tables(m);
  bind_rows(m);
  bind_cache(m);
  m.def("simd", &simd_name);
  m.def("kernels", [] { return Registry::all().signatures(); });
}

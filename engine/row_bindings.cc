// RowReader as Python sees it: conversions only.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "engine/arrow.h"
#include "engine/row_reader.h"

namespace nb = nanobind;

namespace feat {

namespace {

// An Arrow array from Python. It keeps its buffers until this goes; that they are as long as the array says is
// checked by the array's own `validate`, if it has one.
class PythonArrow {
 public:
  explicit PythonArrow(const nb::handle& array) {
    if (!nb::hasattr(array, "__arrow_c_array__"))
      throw EngineError("this is no Arrow array: it has no `__arrow_c_array__`");
    if (nb::hasattr(array, "validate")) validate(array);
    capsules_ = nb::cast<nb::tuple>(array.attr("__arrow_c_array__")());
    schema_ = static_cast<const ArrowSchema*>(pointer(0, "arrow_schema"));
    array_ = static_cast<const ArrowArray*>(pointer(1, "arrow_array"));
    if (schema_->release == nullptr || array_->release == nullptr)
      throw EngineError("this Arrow array was given away before");
  }
  const ArrowSchema& schema() const { return *schema_; }
  const ArrowArray& array() const { return *array_; }

 private:
  static void validate(const nb::handle& array) {
    try {
      array.attr("validate")();
    } catch (nb::python_error& error) {
      throw EngineError(std::string("the Arrow array is broken: ") + nb::str(error.value()).c_str());
    }
  }
  void* pointer(size_t index, const char* name) {
    void* found = PyCapsule_GetPointer(nb::object(capsules_[index]).ptr(), name);
    if (found == nullptr) throw nb::python_error();
    return found;
  }
  nb::tuple capsules_;
  const ArrowSchema* schema_ = nullptr;
  const ArrowArray* array_ = nullptr;
};

nb::tuple members(const nb::handle& item, size_t count) {
  const nb::tuple given(nb::borrow<nb::object>(item));
  if (given.size() != count) throw EngineError("a declaration has " + std::to_string(count) + " parts");
  return given;
}

std::string to_text(const nb::object& value) {
  if (!PyUnicode_Check(value.ptr())) throw EngineError("a name or type is a str");
  Py_ssize_t size = 0;
  const char* text = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (text == nullptr) throw nb::python_error();
  return {text, static_cast<size_t>(size)};
}

int64_t to_integer(const nb::object& value) {
  int64_t integer;
  if (!nb::try_cast(value, integer)) throw EngineError("a default or cap does not fit int64");
  return integer;
}

Default to_default(const nb::object& value) {
  if (value.is_none()) return {};
  if (PyBool_Check(value.ptr())) return value.ptr() == Py_True;
  if (PyLong_Check(value.ptr())) return to_integer(value);
  if (PyFloat_Check(value.ptr())) return PyFloat_AS_DOUBLE(value.ptr());
  if (PyUnicode_Check(value.ptr())) return to_text(value);
  throw EngineError("a default is None, bool, int, float or str, not " +
                    std::string(nb::type_name(value.type()).c_str()));
}

int64_t to_cap(const nb::object& cap) {
  if (cap.is_none()) return -1;
  const int64_t given = to_integer(cap);
  if (given < 0) throw EngineError("a cap is negative: " + std::to_string(given));
  return given;
}

void make_reader(RowReader* self, const std::string& prefix, const nb::sequence& fields,
                 const nb::sequence& sequences) {
  std::vector<SequenceSpec> made;
  for (const nb::handle item : sequences) {
    const nb::tuple sequence = members(item, 2);
    made.push_back({prefix + "." + to_text(sequence[0]), {}, to_cap(sequence[1])});
  }
  std::vector<FieldSpec> single;
  for (const nb::handle item : fields) {
    const nb::tuple declared = members(item, 5);
    const std::string name = to_text(declared[0]), sequence = to_text(declared[4]);
    FieldSpec field{prefix + "." + name, Type::parse(to_text(declared[1])), to_default(declared[2]),
                    to_cap(declared[3])};
    if (sequence.empty()) {
      single.push_back(std::move(field));
      continue;
    }
    field.name = prefix + "." + sequence + "." + name;
    const std::string wanted = prefix + "." + sequence;
    bool found = false;
    for (SequenceSpec& spec : made) {
      if (spec.name != wanted) continue;
      spec.members.push_back(field);
      found = true;
    }
    if (!found) made.push_back({wanted, {std::move(field)}, -1});
  }
  new (self) RowReader(prefix, std::move(single), std::move(made));
}

uint64_t to_fingerprint(const nb::bytes& bytes) {
  if (bytes.size() != sizeof(uint64_t))
    throw EngineError("a fingerprint has 8 bytes, not " + std::to_string(bytes.size()));
  uint64_t fingerprint;
  std::memcpy(&fingerprint, bytes.c_str(), sizeof fingerprint);
  return fingerprint;
}

// Rows from Python; they are kept while the GIL is released.
class PythonRows {
 public:
  explicit PythonRows(const nb::object& given) {
    if (nb::isinstance<StoredRows>(given)) {
      given_.emplace(nb::cast<const StoredRows&>(given));
      return;
    }
    kept_ = nb::tuple(given);
    rows_.reserve(kept_.size());
    for (const nb::handle row : kept_) {
      if (row.is_none()) {
        rows_.emplace_back();
      } else if (PyBytes_Check(row.ptr())) {
        rows_.emplace_back(
            std::string_view(PyBytes_AS_STRING(row.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(row.ptr()))));
      } else {
        throw EngineError("a row is bytes or None, not " + std::string(nb::type_name(row.type()).c_str()));
      }
    }
    given_.emplace(rows_);
  }
  const GivenRows& get() const { return *given_; }

 private:
  nb::tuple kept_;
  std::vector<std::optional<std::string_view>> rows_;
  std::optional<GivenRows> given_;
};

nb::object to_python(AvroRows&& read) {
  auto statuses = std::make_unique<std::vector<RowStatus>>(std::move(read.statuses));
  auto* data = reinterpret_cast<uint8_t*>(statuses->data());
  const size_t count = statuses->size();
  nb::capsule owner(statuses.release(), [](void* held) noexcept { delete static_cast<std::vector<RowStatus>*>(held); });
  nb::list unknown;
  for (const uint64_t fingerprint : read.unknown) {
    unknown.append(nb::bytes(reinterpret_cast<const char*>(&fingerprint), sizeof fingerprint));
  }
  return nb::make_tuple(nb::cast(std::move(read.batch)),
                        nb::cast(nb::ndarray<nb::numpy, uint8_t, nb::ndim<1>>(data, {count}, owner)), unknown,
                        nb::make_tuple(read.counts[0], read.counts[1], read.counts[2], read.counts[3]));
}

}  // namespace

void bind_rows(nb::module_& module) {
  nb::class_<RowReading>(module, "RowReading");
  nb::class_<RowReader>(module, "RowReader")
      .def("__init__", &make_reader, nb::arg("prefix"), nb::arg("fields"), nb::arg("sequences") = nb::tuple())
      .def(
          "read_arrow",
          [](RowReader& self, const nb::object& array) {
            const PythonArrow arrow(array);
            const nb::gil_scoped_release released;
            return self.read_arrow(arrow.schema(), arrow.array());
          },
          nb::arg("array"))
      .def(
          "read_arrow_lists",
          [](RowReader& self, const nb::object& array) {
            const PythonArrow arrow(array);
            const nb::gil_scoped_release released;
            return self.read_arrow_lists(arrow.schema(), arrow.array());
          },
          nb::arg("array"))
      .def(
          "add_schema",
          [](RowReader& self, const nb::bytes& fingerprint, const nb::bytes& plan) {
            self.add_schema(to_fingerprint(fingerprint), {plan.c_str(), plan.size()});
          },
          nb::arg("fingerprint"), nb::arg("plan"))
      .def(
          "read_avro",
          [](RowReader& self, const nb::object& rows, RowReading* begun) {
            const PythonRows given(rows);
            AvroRows read;
            {
              const nb::gil_scoped_release released;
              read = self.read_avro(given.get(), begun);
            }
            return to_python(std::move(read));
          },
          nb::arg("rows"), nb::arg("begun") = nb::none())
      .def(
          "read_avro_lists",
          [](RowReader& self, const nb::object& rows, const std::vector<int64_t>& lengths, RowReading* begun) {
            const PythonRows given(rows);
            AvroRows read;
            {
              const nb::gil_scoped_release released;
              read = self.read_avro_lists(given.get(), lengths, begun);
            }
            return to_python(std::move(read));
          },
          nb::arg("rows"), nb::arg("lengths"), nb::arg("begun") = nb::none())
      .def(
          "begin", [](RowReader& self, int64_t rows) { return RowReading(self, rows); }, nb::arg("rows"),
          nb::keep_alive<0, 1>())
      .def_prop_ro("invalid_text_total", &RowReader::invalid_text_total);
}

}  // namespace feat

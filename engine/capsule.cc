#include "engine/capsule.h"

#include <nanobind/stl/string.h>

namespace nb = nanobind;

namespace feat {
namespace {

template <class Arrow>
Arrow moved_out(nb::handle capsule, const char* name) {
  auto* held =
      static_cast<Arrow*>(PyCapsule_IsValid(capsule.ptr(), name) ? PyCapsule_GetPointer(capsule.ptr(), name) : nullptr);
  if (held == nullptr || held->release == nullptr)
    throw EngineError("`__arrow_c_array__` gave no valid " + std::string(name));
  const Arrow moved = *held;
  held->release = nullptr;
  return moved;
}

template <class Arrow>
nb::object capsule_of(std::unique_ptr<Arrow> arrow, const char* name) {
  PyObject* capsule = PyCapsule_New(arrow.get(), name, [](PyObject* self) {
    auto* held = static_cast<Arrow*>(PyCapsule_GetPointer(self, PyCapsule_GetName(self)));
    if (held->release) held->release(held);
    delete held;
  });
  if (capsule == nullptr) {
    arrow->release(arrow.get());
    nb::raise_python_error();
  }
  arrow.release();
  return nb::steal(capsule);
}

}  // namespace

ArrowPair take_arrow(nb::handle object) {
  if (!nb::hasattr(object, "__arrow_c_array__")) {
    throw EngineError("not Arrow data: a " + nb::cast<std::string>(nb::handle(object.type()).attr("__name__")) +
                      " has no `__arrow_c_array__`");
  }
  const nb::object given = object.attr("__arrow_c_array__")();
  if (!nb::isinstance<nb::tuple>(given) || nb::len(given) != 2) throw EngineError("`__arrow_c_array__` gave no pair");
  ArrowPair pair;
  pair.schema = moved_out<ArrowSchema>(given[0], "arrow_schema");
  pair.array = moved_out<ArrowArray>(given[1], "arrow_array");
  return pair;
}

nb::tuple give_arrow(const Batch& batch) {
  auto schema = std::make_unique<ArrowSchema>();
  auto array = std::make_unique<ArrowArray>();
  export_batch(batch, *schema, *array);
  nb::object schema_capsule = capsule_of(std::move(schema), "arrow_schema");
  nb::object array_capsule = capsule_of(std::move(array), "arrow_array");
  return nb::make_tuple(schema_capsule, array_capsule);
}

}  // namespace feat

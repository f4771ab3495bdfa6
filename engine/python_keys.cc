#include "engine/python_keys.h"

namespace nb = nanobind;

namespace feat {
namespace {

// Lone surrogates go through as they are.
void add_text(Keys& keys, nb::handle text) {
  Py_ssize_t size = 0;
  const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (bytes != nullptr) return keys.add({bytes, static_cast<size_t>(size)});
  PyErr_Clear();
  const nb::bytes passed(text.attr("encode")("utf-8", "surrogatepass"));
  keys.add({passed.c_str(), passed.size()});
}

void add_integer(Keys& keys, nb::handle integer) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(integer.ptr(), &overflow);
  if (overflow == 0) return keys.add(int64_t{number});
  keys.add_decimal(nb::str(integer).c_str());
}

}  // namespace

Keys to_keys(const nb::sequence& given) {
  if (nb::isinstance<Keys>(given)) return nb::cast<const Keys&>(given);
  Keys keys;
  for (const nb::handle key : given) {
    if (PyUnicode_Check(key.ptr())) {
      add_text(keys, key);
    } else if (PyLong_Check(key.ptr())) {
      add_integer(keys, key);
    } else if (PyBytes_Check(key.ptr())) {
      keys.add({PyBytes_AS_STRING(key.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(key.ptr()))});
    } else if (key.is_none()) {
      keys.add_null();
    } else {
      throw EngineError("a key is a str, int or bytes, not " + std::string(nb::type_name(key.type()).c_str()));
    }
  }
  return keys;
}

}  // namespace feat

// What stores need of the engine, as Python sees it: keys as bytes, and the rows of Redis. Conversions only.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cerrno>
#include <charconv>
#include <string>
#include <utility>

#include "engine/mget_reply.h"
#include "engine/stored_rows.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace feat {

namespace {

// Adds a key, a str or an int. Lone surrogates go through as they are.
void append_key(std::string& joined, nb::handle key) {
  nb::object text = nb::borrow(key);
  if (PyLong_CheckExact(key.ptr())) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(key.ptr(), &overflow);
    if (overflow == 0) {
      char digits[24];
      joined.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
      return;
    }
  }
  if (!PyUnicode_Check(key.ptr())) text = nb::str(text);
  Py_ssize_t size = 0;
  const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (bytes != nullptr) {
    joined.append(bytes, static_cast<size_t>(size));
  } else {
    PyErr_Clear();
    const nb::bytes passed(text.attr("encode")("utf-8", "surrogatepass"));
    joined.append(passed.c_str(), passed.size());
  }
}

// The prefix and each key.
nb::list joined_keys(const nb::bytes& prefix, const nb::sequence& keys) {
  std::string joined(prefix.c_str(), prefix.size());
  nb::list all;
  for (const nb::handle key : keys) {
    joined.resize(prefix.size());
    append_key(joined, key);
    all.append(nb::bytes(joined.data(), joined.size()));
  }
  return all;
}

void append_size(std::string& command, char kind, size_t size) {
  char digits[24];
  command.push_back(kind);
  command.append(digits, std::to_chars(digits, digits + sizeof digits, size).ptr);
  command.append("\r\n");
}

// The MGET of all keys, each with its prefix, as it goes over the wire; and how many they are.
nb::tuple mget_command(const std::vector<std::pair<nb::bytes, nb::sequence>>& requests) {
  size_t count = 0;
  for (const auto& request : requests) count += nb::len(request.second);
  std::string command, name;
  append_size(command, '*', count + 1);
  command.append("$4\r\nMGET\r\n");
  for (const auto& [prefix, keys] : requests) {
    for (const nb::handle key : keys) {
      name.assign(prefix.c_str(), prefix.size());
      append_key(name, key);
      append_size(command, '$', name.size());
      command.append(name).append("\r\n");
    }
  }
  return nb::make_tuple(nb::bytes(command.data(), command.size()), count);
}

// The rows that answer an MGET of so many keys, None when something else does; and whether it was sent.
nb::tuple exchange_rows(int socket, const nb::bytes& command, int64_t count, double pause_s, double within_s) {
  MgetReply reply(count);
  Received received;
  int failure = 0;
  {
    const nb::gil_scoped_release released;
    received = exchange(socket, {command.c_str(), command.size()}, reply, pause_s, within_s);
    failure = errno;
  }
  switch (received) {
    case Received::Rows:
      return nb::make_tuple(nb::cast(std::move(reply).rows()), true);
    case Received::Unsent:
      return nb::make_tuple(nb::none(), false);
    case Received::Other:
    case Received::Closed:
      break;
    case Received::TimedOut:
      PyErr_SetString(PyExc_TimeoutError, "no answer in time");
      throw nb::python_error();
    case Received::Failed:
      errno = failure;
      PyErr_SetFromErrno(PyExc_OSError);
      throw nb::python_error();
  }
  return nb::make_tuple(nb::none(), true);
}

nb::object to_bytes(const StoredRows& rows, int64_t i) {
  const auto row = rows[i];
  if (!row.has_value()) return nb::none();
  return nb::bytes(row->data(), row->size());
}

nb::object item(const StoredRows& rows, nb::handle place) {
  if (PySlice_Check(place.ptr())) {
    Py_ssize_t start = 0, stop = 0, step = 0;
    if (PySlice_Unpack(place.ptr(), &start, &stop, &step) != 0) throw nb::python_error();
    if (step != 1) throw nb::index_error("rows are cut in steps of 1");
    const Py_ssize_t count = PySlice_AdjustIndices(rows.size(), &start, &stop, step);
    return nb::cast(rows.part(start, count));
  }
  auto at = nb::cast<int64_t>(place);
  if (at < 0) at += rows.size();
  if (at < 0 || at >= rows.size()) throw nb::index_error("no such row");
  return to_bytes(rows, at);
}

}  // namespace

void bind_store(nb::module_& module) {
  nb::class_<StoredRows>(module, "StoredRows").def("__len__", &StoredRows::size).def("__getitem__", &item, "place"_a);
  module.def("joined_keys", &joined_keys, "prefix"_a, "keys"_a);
  module.def("mget_command", &mget_command, "requests"_a);
  module.def("exchange_rows", &exchange_rows, "socket"_a, "command"_a, "count"_a, "pause_s"_a, "within_s"_a);
}

}  // namespace feat

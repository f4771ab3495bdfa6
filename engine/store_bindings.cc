// What stores need of the engine, as Python sees it: keys as bytes, and the rows of Redis. Conversions only.
#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/keys.h"
#include "engine/mget_command.h"
#include "engine/mget_reply.h"
#include "engine/python_arrays.h"
#include "engine/python_keys.h"
#include "engine/row_reader.h"
#include "engine/stored_rows.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace feat {

namespace {

// The prefix and each key.
nb::list joined_keys(const nb::bytes& prefix, const nb::sequence& given) {
  const Keys keys = to_keys(given);
  std::string joined(prefix.c_str(), prefix.size());
  nb::list all;
  for (size_t i = 0; i < keys.size(); ++i) {
    joined.resize(prefix.size());
    joined.append(keys[i]);
    all.append(nb::bytes(joined.data(), joined.size()));
  }
  return all;
}

using Requests = std::vector<std::pair<nb::bytes, nb::sequence>>;

std::vector<PrefixedKeys> to_wanted(const Requests& requests) {
  std::vector<PrefixedKeys> wanted;
  for (const auto& [prefix, keys] : requests) {
    wanted.push_back({std::string(prefix.c_str(), prefix.size()), to_keys(keys)});
  }
  return wanted;
}

// The MGETs of all keys, each with its prefix, as they go over the wire; and how many keys are in each.
nb::list to_commands(const Requests& requests, int64_t most) {
  nb::list commands;
  for (const MgetCommand& command : mget_commands(to_wanted(requests), most)) {
    commands.append(nb::make_tuple(nb::bytes(command.text.data(), command.text.size()), command.keys));
  }
  return commands;
}

// What reads the rows of some requests as they come in.
class Readings {
 public:
  Readings(const std::vector<PrefixedKeys>& wanted, const nb::sequence& given) {
    int64_t end = 0;
    size_t i = 0;
    for (const nb::handle reading : given) {
      if (i == wanted.size()) throw EngineError("more readings than requests");
      end += std::ssize(wanted[i++].keys);
      parts_.push_back({end, reading.is_none() ? nullptr : nb::cast<RowReading*>(reading)});
    }
  }
  void read_on(const MgetReply& reply) {
    while (at_ < reply.num_rows() && part_ < parts_.size()) {
      const Part& part = parts_[part_];
      rows_.clear();
      for (; at_ < std::min(part.end, reply.num_rows()); ++at_) rows_.push_back(reply.row(at_));
      if (part.reading != nullptr) part.reading->add(rows_);
      if (at_ == part.end) ++part_;
    }
  }
  void end() {
    for (const Part& part : parts_) {
      if (part.reading != nullptr) part.reading->end();
    }
  }

 private:
  struct Part {
    int64_t end;  // in the rows of all requests
    RowReading* reading;
  };
  std::vector<Part> parts_;
  size_t part_ = 0;
  int64_t at_ = 0;
  std::vector<std::optional<std::string_view>> rows_;
};

// The rows that answer MGETs of all keys, None when something else does; and whether these were sent.
nb::tuple exchange_rows(int socket, const Requests& requests, double pause_s, double within_s,
                        const nb::sequence& given, nb::object meanwhile) {
  const std::vector<PrefixedKeys> wanted = to_wanted(requests);
  Readings readings(wanted, given);
  const std::vector<MgetCommand> commands = mget_commands(wanted, kKeysAtOnce);
  std::vector<int64_t> counts;
  for (const MgetCommand& command : commands) counts.push_back(command.keys);
  MgetReply reply(std::move(counts));
  Received received;
  int failure = 0;
  {
    const nb::gil_scoped_release released;
    received = exchange(socket, commands, reply, pause_s, within_s, [&](const MgetReply& some) {
      if (!meanwhile.is_none()) {
        const nb::gil_scoped_acquire held;
        std::exchange(meanwhile, nb::none())();
      }
      readings.read_on(some);
    });
    failure = errno;
  }
  switch (received) {
    case Received::Rows:
      readings.end();
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
  nb::class_<StoredRows>(module, "StoredRows")
      .def("__len__", &StoredRows::size)
      .def("__getitem__", &item, "place"_a)
      .def("take", [](const StoredRows& self, const Places& places) { return self.take(span_of(places)); }, "places"_a);
  module.def("joined_keys", &joined_keys, "prefix"_a, "keys"_a);
  module.def("mget_commands", &to_commands, "requests"_a, "most"_a);
  module.def("exchange_rows", &exchange_rows, "socket"_a, "requests"_a, "pause_s"_a, "within_s"_a,
             "readings"_a = nb::tuple(), "meanwhile"_a = nb::none());
}

}  // namespace feat

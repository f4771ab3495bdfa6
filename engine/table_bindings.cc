// Embedding tables as Python sees them: conversions only.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>

#include "engine/error.h"
#include "engine/python_arrays.h"
#include "engine/snapshot_table.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace feat {

namespace {

using Rows = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using WritableRows = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

std::pair<uint64_t, uint64_t> to_pair(const RowSum& sum) { return {sum.low, sum.high}; }

void same_count(const Places& ids, size_t rows) {
  if (ids.size() == rows) return;
  throw EngineError(std::to_string(ids.size()) + " ids, " + std::to_string(rows) + " rows");
}

std::vector<uint64_t> sums_of(const Places& ids, const Rows& rows) {
  same_count(ids, rows.shape(0));
  std::vector<uint64_t> sums;
  sums.reserve(ids.size() * 2);
  for (size_t i = 0; i < ids.size(); ++i) {
    const RowSum sum = sum_of_row(ids.data()[i], {rows.data() + i * rows.shape(1), rows.shape(1)});
    sums.insert(sums.end(), {sum.low, sum.high});
  }
  return sums;
}

// Places as Python counts them: -1 of an id that has none.
nb::object places_of(std::vector<uint32_t> found) {
  std::vector<int64_t> places(found.size());
  for (size_t i = 0; i < found.size(); ++i) places[i] = found[i] == IdIndex::kNone ? -1 : int64_t{found[i]};
  return to_array(std::move(places));
}

void bind_index(nb::module_& module) {
  nb::class_<IdIndex>(module, "IdIndex")
      .def(nb::init<>())
      .def_prop_ro("places", &IdIndex::places)
      .def(
          "find",
          [](const IdIndex& self, Places ids) {
            std::vector<uint32_t> places(ids.size());
            self.find(*self.slots(), span_of(ids), places.data());
            return places_of(std::move(places));
          },
          "ids"_a)
      .def(
          "add",
          [](IdIndex& self, Places ids) {
            std::vector<uint32_t> places(ids.size());
            self.add(span_of(ids), places.data());
            return places_of(std::move(places));
          },
          "ids"_a)
      .def(
          "forget",
          [](IdIndex& self, Places ids) {
            for (size_t i = 0; i < ids.size(); ++i) {
              uint32_t place = IdIndex::kNone;
              self.find(*self.slots(), span_of(ids).subspan(i, 1), &place);
              if (place != IdIndex::kNone) self.forget(place);
            }
          },
          "ids"_a);
}

void bind_snapshot(nb::module_& module) {
  nb::class_<Snapshot>(module, "Snapshot")
      .def_prop_ro("rows", &Snapshot::rows)
      .def_prop_ro("sum", [](const Snapshot& self) { return to_pair(self.sum()); })
      .def_prop_ro("table", &Snapshot::table)
      .def("ids",
           [](const Snapshot& self) {
             std::vector<int64_t> ids;
             {
               const nb::gil_scoped_release released;
               ids = self.ids();
             }
             return to_array(std::move(ids));
           })
      .def(
          "gather",
          [](const Snapshot& self, Places ids, WritableRows out) {
            same_count(ids, out.shape(0));
            if (static_cast<int64_t>(out.shape(1)) != self.table()->width()) {
              throw EngineError("rows of " + std::to_string(self.table()->width()) + " values, given room for " +
                                std::to_string(out.shape(1)));
            }
            const nb::gil_scoped_release released;
            return self.gather(span_of(ids), out.data());
          },
          "ids"_a, "out"_a);
}

nb::dict to_dict(const SnapshotTableStats& stats) {
  nb::dict all;
  const std::pair<const char*, int64_t> counts[] = {
      {"versions", stats.versions},
      {"row_bytes", stats.row_bytes},
      {"unused_row_bytes", stats.unused_row_bytes},
      {"index_bytes", stats.index_bytes},
      {"rows_since_collected", stats.rows_since_collected},
  };
  for (const auto& [name, count] : counts) all[name] = count;
  return all;
}

}  // namespace

void bind_tables(nb::module_& module) {
  nb::class_<SnapshotTable>(module, "SnapshotTable")
      .def(nb::new_([](int64_t width) { return std::make_shared<SnapshotTable>(width); }), "width"_a)
      .def_prop_ro("width", &SnapshotTable::width)
      .def("empty", &SnapshotTable::empty, nb::call_guard<nb::gil_scoped_release>())
      .def(
          "apply",
          [](SnapshotTable& self, const Snapshot& base, Places ids, Rows rows, Places deleted) {
            same_count(ids, rows.shape(0));
            const nb::gil_scoped_release released;
            return self.apply(base, span_of(ids), {rows.data(), rows.size()}, span_of(deleted));
          },
          "base"_a, "ids"_a, "rows"_a, "deleted"_a)
      .def("collect", &SnapshotTable::collect, nb::call_guard<nb::gil_scoped_release>())
      .def("stats", [](const SnapshotTable& self) {
        SnapshotTableStats stats;
        {
          const nb::gil_scoped_release released;
          stats = self.stats();
        }
        return to_dict(stats);
      });
  bind_snapshot(module);
  bind_index(module);
  module.def(
      "row_sums",
      [](Places ids, Rows rows) {
        std::vector<uint64_t> sums;
        {
          const nb::gil_scoped_release released;
          sums = sums_of(ids, rows);
        }
        return to_array(std::move(sums));
      },
      "ids"_a, "rows"_a);
}

}  // namespace feat

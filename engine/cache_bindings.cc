// The item cache as Python sees it: conversions only.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "engine/item_cache.h"
#include "engine/python_arrays.h"
#include "engine/python_keys.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace feat {

namespace {

using Statuses = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

nb::dict to_dict(const ItemCacheStats& stats) {
  nb::dict all;
  const std::pair<const char*, int64_t> counts[] = {
      {"hits", stats.hits},
      {"misses", stats.misses},
      {"expired", stats.expired},
      {"stale", stats.stale},
      {"inserted", stats.inserted},
      {"evicted", stats.evicted},
      {"entries", stats.entries},
      {"bytes", stats.bytes},
      {"limit_bytes", stats.limit_bytes},
      {"too_large", stats.too_large},
      {"hit_age_ns", stats.hit_age_ns},
      {"part_hits", stats.part_hits},
      {"part_misses", stats.part_misses},
      {"part_bytes", stats.part_bytes},
      {"part_entries", stats.part_entries},
  };
  for (const auto& [name, count] : counts) all[name] = count;
  return all;
}

void bind_lookup(nb::module_& module) {
  nb::class_<ItemColumns>(module, "ItemColumns");
  nb::class_<ItemLookup>(module, "ItemLookup")
      .def_prop_ro("missing", [](const ItemLookup& self) { return to_array(self.missing()); })
      .def_prop_ro("statuses", [](const ItemLookup& self) { return to_array(self.statuses()); })
      .def(
          "made_of",
          [](ItemLookup& self, const std::string& source, const nb::sequence& keys,
             const std::optional<std::vector<int64_t>>& lengths) {
            const std::span<const int64_t> none, some = lengths ? std::span<const int64_t>(*lengths) : none;
            self.made_of(source, to_keys(keys), some);
          },
          "source"_a, "keys"_a, "lengths"_a = nb::none())
      .def(
          "add",
          [](ItemLookup& self, const Batch& made, Statuses statuses, int64_t now, int64_t expires_at,
             int64_t others_expire_at) {
            const nb::gil_scoped_release released;
            self.add(made, {statuses.data(), statuses.size()}, now, expires_at, others_expire_at);
          },
          "made"_a, "statuses"_a, "now"_a, "expires_at"_a, "others_expire_at"_a)
      .def(
          "add_parts",
          [](ItemLookup& self, const Batch& made) {
            const nb::gil_scoped_release released;
            self.add_parts(made);
          },
          "made"_a)
      .def(
          "rows",
          [](const ItemLookup& self, Places items, const ItemColumns* columns) {
            const nb::gil_scoped_release released;
            return columns == nullptr ? self.rows(span_of(items)) : self.rows(span_of(items), *columns);
          },
          "items"_a, "columns"_a = nb::none());
}

}  // namespace

void bind_cache(nb::module_& module) {
  nb::class_<ItemCache>(module, "ItemCache")
      .def(nb::init<int64_t>(), "limit_bytes"_a)
      .def(
          "changed",
          [](ItemCache& self, const std::string& source, const nb::sequence& keys) {
            self.changed(source, to_keys(keys));
          },
          "source"_a, "keys"_a)
      .def("stats", [](const ItemCache& self) { return to_dict(self.stats()); });
  nb::class_<ItemTable>(module, "ItemTable")
      .def(nb::new_(
               [](std::shared_ptr<ItemCache> cache, const std::vector<std::pair<std::string, std::string>>& columns) {
                 std::vector<NamedType> parsed;
                 for (const auto& [name, type] : columns) parsed.push_back({name, Type::parse(type)});
                 return std::make_shared<ItemTable>(std::move(cache), std::move(parsed));
               }),
           "cache"_a, "columns"_a)
      .def(
          "find",
          [](const ItemTable& self, const nb::sequence& given, int64_t now) {
            Keys keys = to_keys(given);
            const nb::gil_scoped_release released;
            return self.find(std::move(keys), now);
          },
          "keys"_a, "now"_a)
      .def(
          "find_parts",
          [](const ItemTable& self, const ItemLookup& rows) {
            const nb::gil_scoped_release released;
            return self.find_parts(rows);
          },
          "rows"_a)
      .def(
          "without",
          [](const ItemTable& self, const std::vector<std::string>& columns) { return self.without(columns); },
          "columns"_a)
      .def("drop", &ItemTable::drop);
  bind_lookup(module);
}

}  // namespace feat

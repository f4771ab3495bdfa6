// The adapter: from a body of one row to a kernel over columns.
#include <string>

#include "engine/kernel.h"
#include "engine/tests/check.h"

namespace feat {
namespace {

struct Fixture {
  Arena arena;
  Registry registry;

  Column integers(std::initializer_list<Maybe<int64_t>> values) {
    ColumnBuilder builder(Type::parse("int64?"), arena);
    for (const auto& value : values) value.has ? builder.append_integer(value.value) : builder.append_null();
    return builder.finish();
  }
  Column texts(std::initializer_list<const char*> values) {
    ColumnBuilder builder(Type::parse("string?"), arena);
    for (const char* value : values) value ? builder.append_text(value) : builder.append_null();
    return builder.finish();
  }
  Column lists(std::initializer_list<std::initializer_list<int64_t>> rows) {
    ColumnBuilder builder(Type::parse("list<int64>"), arena);
    for (const auto& row : rows) {
      for (int64_t value : row) builder.items().append_integer(value);
      builder.end_row();
    }
    return builder.finish();
  }
  TextCodes codes{arena};
  Column run(const char* name, std::initializer_list<Shape> shapes, const char* result, std::vector<Argument> arguments,
             int64_t rows, const void* state = nullptr) {
    const Type type = Type::parse(result);
    const Kernel& kernel = *registry.find(name, {shapes.begin(), shapes.size()}, Shape::of(type)).kernel;
    return kernel.run({arguments, rows, state, type, arena, codes});
  }
};

const Shape kI64{Shape::I64, {}}, kF64{Shape::F64, {}}, kStr{Shape::Str, {}}, kList{Shape::List, {{Shape::I64, {}}}};

TEST(signatures_are_deduced) {
  Registry r;
  r.add("a", [](int64_t, double) -> bool { return true; });
  r.add("b", [](Maybe<std::string_view> s, TextOut& out) { out.append(s.value); });
  r.add("c", [](Variadic<Maybe<OneOrMany<int64_t>>>, ListOut<int64_t>&) -> bool { return false; });
  r.add("d", [](MapIn<std::string_view, ListIn<double>>) -> Maybe<ListIn<double>> { return {}; });
  r.add("e", [](const Attributes&) { return 1; }, [](const int&, ListIn<Any> x) -> int64_t { return x.size(); });
  r.add_column("f(bool?,any?,map<str,any>?)->list<any>?", [](const Call&) { return Column{}; });
  const std::vector<std::string> wanted = {
      "a(i64,f64)->bool",
      "b(str?)->str",
      "c(i64|list<i64>?...)->list<i64>?",
      "d(map<str,list<f64>>)->list<f64>?",
      "e(list<any>)->i64",
      "f(bool?,any?,map<str,any>?)->list<any>?",
  };
  CHECK(r.signatures() == wanted);
  CHECK_THROWS(r.find("a", std::vector<Shape>{kStr}, kI64), "no kernel `a(str)->i64`, there are: a(i64,f64)->bool");
  CHECK_THROWS(r.find("z", std::vector<Shape>{kStr}, kI64), "the operator is not in this engine");
}

TEST(exact_kernels_come_before_generic_ones) {
  Registry r;
  r.add("f", [](Maybe<Any>) -> int64_t { return 0; });
  r.add("f", [](int64_t) -> int64_t { return 1; });
  CHECK(r.find("f", std::vector<Shape>{kI64}, kI64).kernel->signature() == "f(i64)->i64");
  CHECK(r.find("f", std::vector<Shape>{kStr}, kI64).kernel->signature() == "f(any?)->i64");
}

TEST(any_is_one_type) {
  Registry r;
  r.add_column("pick(any?,any?)->any?", [](const Call&) { return Column{}; });
  CHECK(r.find("pick", std::vector<Shape>{kStr, kStr}, kStr).bound == kStr);
  CHECK(r.find("pick", std::vector<Shape>{{Shape::Nothing, {}}, kList}, kList).bound == kList);
  CHECK_THROWS(r.find("pick", std::vector<Shape>{kStr, kI64}, kStr), "no kernel `pick(str,i64)->str`");
  CHECK_THROWS(r.find("pick", std::vector<Shape>{kStr, kStr}, kI64), "no kernel `pick(str,str)->i64`");
}

TEST(null_spreads_over_scalars) {
  Fixture f;
  f.registry.add("add", [](int64_t a, int64_t b) -> int64_t { return a + b; });
  const Column a = f.integers({1, {}, 3}), b = f.integers({10, 20, {}});
  const Column sum = f.run("add", {kI64, kI64}, "int64?", {{&a}, {&b}}, 3);
  CHECK(sum.as<int64_t>()[0] == 11 && sum.is_valid(0) && !sum.is_valid(1) && !sum.is_valid(2));
}

TEST(bodies_over_strings_see_no_null) {
  Fixture f;
  f.registry.add("size", [](std::string_view s) -> int64_t {
    if (s.empty()) throw EngineError("an empty string");
    return static_cast<int64_t>(s.size());
  });
  const Column s = f.texts({"ab", nullptr, "c"});
  const Column size = f.run("size", {kStr}, "int64?", {{&s}}, 3);
  CHECK(size.as<int64_t>()[0] == 2 && !size.is_valid(1) && size.as<int64_t>()[2] == 1);
}

TEST(written_rows_can_be_undone) {
  Fixture f;
  f.registry.add("short", [](std::string_view s, TextOut& out) -> bool {
    out.append(s);
    out.push_back('!');
    return s.size() < 3;
  });
  const Column s = f.texts({"ab", "abc", nullptr, "d"});
  const Column out = f.run("short", {kStr}, "string?", {{&s}}, 4);
  CHECK(out.text(0) == "ab!" && !out.is_valid(1) && out.text(1).empty() && !out.is_valid(2) && out.text(3) == "d!");
}

TEST(one_row_and_row_indices) {
  Fixture f;
  f.registry.add("join", [](Variadic<std::string_view> parts, TextOut& out) {
    for (std::string_view part : parts) out.append(part);
  });
  const Column one = f.texts({"x"}), rows = f.texts({"a", "b"});
  const int32_t at[] = {1, 1, 0};
  const Column out = f.run("join", {kStr, kStr}, "string", {{&one, nullptr, 0}, {&rows, at}}, 3);
  CHECK(out.text(0) == "xb" && out.text(1) == "xb" && out.text(2) == "xa");
}

TEST(lists_in_and_out) {
  Fixture f;
  f.registry.add("twice", [](ListIn<int64_t> list, ListOut<int64_t>& out) {
    for (int64_t value : list) out.push(value);
    out.push_all(list);
    if (out.size() > 2) out.truncate(3);
  });
  const Column list = f.lists({{1, 2}, {}, {3}});
  const Column out = f.run("twice", {kList}, "list<int64>", {{&list}}, 3);
  CHECK(out.offsets[1] == 3 && out.offsets[2] == 3 && out.offsets[3] == 5);
  CHECK(out.child->as<int64_t>()[2] == 1 && out.child->as<int64_t>()[4] == 3);
}

TEST(one_or_many) {
  Fixture f;
  f.registry.add("count", [](Variadic<OneOrMany<int64_t>> parts) -> int64_t {
    int64_t count = 0;
    for (const auto& part : parts) count += part.is_list() ? part.size() : 100;
    return count;
  });
  const Column list = f.lists({{1, 2}, {}}), one = f.integers({1, 2});
  Argument as_list{&list};
  as_list.as_list = true;
  const Column out = f.run("count", {kList, kI64}, "int64", {as_list, {&one}}, 2);
  CHECK(out.as<int64_t>()[0] == 102 && out.as<int64_t>()[1] == 100);
}

TEST(state_is_made_from_attributes) {
  Fixture f;
  f.registry.add(
      "plus", [](const Attributes& a) { return a.integer("n") + static_cast<int64_t>(a.strings("words").size()); },
      [](const int64_t& n, int64_t x) -> int64_t { return x + n; });
  ColumnBuilder words(Type::parse("list<string>"), f.arena);
  words.items().append_text("a");
  words.end_row();
  const Column n = f.integers({40}), list = words.finish();
  const Type integer = Type::parse("int64"), text_list = Type::parse("list<string>");
  const std::vector<Attributes::Entry> entries = {{"n", &integer, &n}, {"words", &text_list, &list}};
  const Attributes attributes(entries, integer);
  const Kernel& kernel = *f.registry.find("plus", std::vector<Shape>{kI64}, kI64).kernel;
  const auto state = kernel.prepare(attributes);
  const Column x = f.integers({1});
  CHECK(f.run("plus", {kI64}, "int64", {{&x}}, 1, state.get()).as<int64_t>()[0] == 42);
  CHECK_THROWS(attributes.number("n"), "the attribute `n` is not f64 but int64");
  CHECK_THROWS(attributes.text("m"), "the attribute `m` is absent");
  CHECK_THROWS(attributes.zone("z"), "the attribute `z_starts` is absent");
}

TEST(every_kernel_of_the_engine_is_registered_once) { CHECK(Registry::all().signatures().size() > 100); }

}  // namespace
}  // namespace feat

"""From text to syntax tree: precedences, literals, declarations, places, recovery."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featdsl.diagnostics import Diagnostics
from featdsl.rendering import as_data, as_text
from featdsl.source_file import SourceFile
from featdsl.syntax import parse
from featdsl.syntax import tree as t


def parsed(text: str) -> tuple[t.File, list[dict]]:
    diagnostics = Diagnostics()
    file = parse(SourceFile("x.feat", text), diagnostics)
    return file, as_data(diagnostics.found)["diagnostics"]


def faults(text: str) -> list[tuple[str, int, int, str]]:
    return [(d["code"], d["line"], d["column"], d["message"]) for d in parsed(text)[1]]


def shape(e: object) -> str:
    """An expression with every bracket written out."""
    match e:
        case t.Literal(value=value):
            return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
        case t.Name(name=name):
            return name
        case t.Attribute(base=base, name=name):
            return f"{shape(base)}.{name.name}"
        case t.Unary(operator=operator, operand=operand):
            return f"({operator} {shape(operand)})"
        case t.Binary(operator=operator, left=left, right=right):
            return f"({shape(left)} {operator} {shape(right)})"
        case t.If(condition=c, then=a, otherwise=b):
            return f"(if {shape(c)} then {shape(a)} else {shape(b)})"
        case t.ListLiteral(items=items):
            return f"[{', '.join(map(shape, items))}]"
        case t.Call(function=f, arguments=args) | t.Fit(what=f, arguments=args):
            inner = ", ".join(f"{a.name.name}: {shape(a.value)}" if a.name else shape(a.value) for a in args)
            return f"{'fit ' if isinstance(e, t.Fit) else ''}{f.name}({inner})"
    return type(e).__name__


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a |> f |> g(1)", "g(f(a), 1)"),
        ("if a then b else c |> f", "f((if a then b else c))"),
        ("if a then b else if c then d else e", "(if a then b else (if c then d else e))"),
        ("a or b and not c == d", "(a or (b and (not (c == d))))"),
        ("not not a", "(not (not a))"),
        ("a < b ?? c", "(a < (b ?? c))"),
        ("a ?? b ?? c", "((a ?? b) ?? c)"),
        ("a ?? b + c", "(a ?? (b + c))"),
        ("a / b ?? 0.0", "((a / b) ?? 0.0)"),
        ("a - b - c * d", "((a - b) - (c * d))"),
        ("a // b % c", "((a // b) % c)"),
        ("-a ** b", "(- (a ** b))"),
        ("a ** -b", "(a ** (- b))"),
        ("a ** b ** c", "(a ** (b ** c))"),
        ("-a * b", "((- a) * b)"),
        ("a * -b", "(a * (- b))"),
        ("-f(x).y", "(- f(x).y)"),
        ("x in [1, 2,]", "(x in [1, 2])"),
        ("hash(x, buckets: 1_000, seed: 7)", "hash(x, buckets: 1000, seed: 7)"),
        ("f(a |> g, b: c |> h)", "f(g(a), b: h(c))"),
        ("movie.title ?? \"\" |> lower |> words |> hash(50_000) |> pad(8)",
         "pad(hash(words(lower((movie.title ?? ''))), 50000), 8)"),
        ("output.like ** 0.7 * output.watch ** 0.3 ?? 0.0",
         "(((output.like ** 0.7) * (output.watch ** 0.3)) ?? 0.0)"),
        ("lookup(x, fit vocab(min_count: 5))", "lookup(x, fit vocab(min_count: 5))"),
        ("request.at - days(7)", "(request.at - days(7))"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1e-3 + 2.5E+2 + 1_0.5", "((0.001 + 250.0) + 10.5)"),
        (r'"a\n\t\"\\\u{1F600}é"', repr('a\n\t"\\😀é')),
        ("true and false or null", "((true and false) or null)"),
        ("[]", "[]"),
    ],
)  # fmt: skip
def test_expressions(text: str, wanted: str) -> None:
    file, found = parsed(f"let x = {text}")
    assert found == []
    (let,) = file.declarations
    assert isinstance(let, t.Let)
    assert shape(let.body) == wanted


def test_declarations_with_line_breaks_anywhere() -> None:
    file, found = parsed(
        '## About\n## this.\nnamespace movies import "a.feat"\nentity\nuser\n:\nint64 per request\n'
        "source p of user{a:int32=-1 b:list<string>[20] c:vector<float32,8>= 0.0 ## C\n"
        "## of d\nd: sequence[50]{e: string f: timestamp} g: map<string, list<int64>>? }"
        'source q = p of p.d.e request{at: timestamp = now} candidate{}vocab v from "v.txt"'
        "def f(a: float64?, b)=a let x=1 feature y=x "
        "model m { i: float32 = [x, y] j: int64 per request = y label l: float32 output o: float32"
        " keep = not x score = output.o }"
    )
    assert found == []
    kinds = [type(d).__name__ for d in file.declarations]
    assert kinds == [
        "Namespace", "Import", "Entity", "Source", "SourceAlias", "Request", "Candidate", "Vocab", "Def",
        "Let", "Feature", "Model",
    ]  # fmt: skip
    assert file.doc == "About\nthis."
    source = file.declarations[3]
    assert isinstance(source, t.Source)
    a, b, c, d, g = source.fields
    assert isinstance(a, t.Field)
    assert shape(a.default) == "(- 1)"
    assert isinstance(b, t.Field)
    assert b.cap == 20
    assert isinstance(c, t.Field)
    assert (c.type.size, shape(c.default)) == (8, "0.0")
    assert isinstance(d, t.Sequence)
    assert (d.cap, d.doc, [f.name.name for f in d.fields]) == (50, "of d", ["e", "f"])
    assert isinstance(g, t.Field)
    assert g.type.nullable
    model = file.declarations[-1]
    assert isinstance(model, t.Model)
    assert [i.per_request for i in model.inputs] == [False, True]
    assert model.keep is not None
    assert model.score is not None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("feature a = 1 +\nfeature b = 2", [("E0101", 2, 1, "expected an expression, found `feature`")]),
        ("feature a = (1 + 2\nfeature b = 2", [("E0109", 1, 13, "a bracket is not closed: `(`")]),
        ("let a = 1 2", [("E0101", 1, 11, "expected an operator or the next declaration, found `2`")]),
        ("let a = if b then c", [("E0101", 1, 20, "expected `else`, found the end of the file")]),
        ("let a = 1 < 2 < 3", [("E0108", 1, 15, "comparisons cannot be chained")]),
        ("let a = 1 + not b", [("E0108", 1, 13, "`not` inside an operator needs parentheses")]),
        ("let a = b |> f ?? 0", [("E0108", 1, 16, "`??` after `|>` needs parentheses")]),
        ("let a = 'x'", [("E0102", 1, 9, "text stands in double quotes")]),
        ("let a = b && c", [("E0102", 1, 11, "unexpected character `&&`")]),
        ("let a = \"x\nlet b = 1", [("E0103", 1, 9, "the text is not closed")]),
        ("let a = \"\\q\"", [("E0104", 1, 10, "not an escape")]),
        ("let a = \"\\u{D800}\"", [("E0104", 1, 10, "not an escape")]),
        ("let a = 12abc", [("E0105", 1, 9, "not a number")]),
        ("let a = 1__0", [("E0105", 1, 9, "not a number")]),
        ("let a = 9223372036854775808", [("E0106", 1, 9, "the integer does not fit an int64")]),
        ("let a = 1e999", [("E0106", 1, 9, "the number does not fit a float64")]),
        ("let feature = 1", [("E0107", 1, 5, "a reserved word cannot be the name of a let: `feature`")]),
        ("let a = source.x", [("E0107", 1, 9, "a reserved word cannot be used as a name: `source`")]),
        ("let movieAge = 1", [("E0111", 1, 5, "a name is not in snake_case: `movieAge`")]),
        ("model m { x: int64 = 1 score = 1 score = 2 }", [("E0112", 1, 34, "`score` stands twice in a model")]),
        ("x = 3", [("E0101", 1, 1, "expected a declaration, found `x`")]),
        ("let a = 1 ^ 2", [("E0102", 1, 11, "unexpected character `^`")]),
        ("let a = x ≤ 2", [("E0102", 1, 11, "unexpected character `≤`")]),
        ("let a = （1 + 2)", [("E0102", 1, 9, "unexpected character `（`")]),
        ("let a = “x”", [("E0102", 1, 9, "text stands in double quotes")]),
        ("let a = $x + 1", [("E0102", 1, 9, "unexpected character `$`")]),
        ("let\u200b a = 1", [("E0102", 1, 4, "unexpected character `U+200B`")]),
        ("let a = 1;\nlet b = 2;\nlet c = 3;", [("E0102", 1, 10, "unexpected character `;`")]),
        ("feature 1f = 1", [("E0105", 1, 9, "not a number")]),
        ("source p of user { a: int32 = 0, b: int32 = 0, }", [("E0101", 1, 32, "expected the next field, found `,`")]),
        ("source p of user { a: int32 =\n b: int32 = 0 }", [("E0101", 2, 2, "expected an expression, found `b`")]),
        ("source p of user\n a: int32 = 0\n}\nlet b = p.a", [("E0101", 2, 2, "expected `{`, found `a`")]),
        ("let a = p.feature", [("E0107", 1, 11, "a reserved word cannot be a name after `.`: `feature`")]),
        ("let a = p.\nfeature b = 1", [("E0101", 2, 1, "expected a name after `.`, found `feature`")]),
        ("let a = 1\nmodel m { x: float32 = }", [("E0101", 2, 24, "expected an expression, found `}`")]),
    ],
)  # fmt: skip
def test_one_mistake_is_one_error_in_its_place(text: str, wanted: list) -> None:
    assert faults(text) == wanted


@pytest.mark.parametrize(
    ("text", "word", "kind"),
    [
        ("featuer x = 1", "feature", t.Feature),
        ("let a = b\nsorce p of user { n: int32 = 0 }", "source", t.Source),
        ("Entity user: int64 per request", "entity", t.Entity),
        ("let a = 1\nrequst { at: timestamp = now }", "request", t.Request),
        ("let a = 1\nconst b = 2", "let", t.Let),
        ("let a = 1\nfunction f(x) = x", "def", t.Def),
        ('let a = 1\ninclude "b.feat"', "import", t.Import),
    ],
)
def test_a_misspelled_keyword_is_read_as_meant(text: str, word: str, kind: type) -> None:
    file, found = parsed(text + "\nlet last = 1")
    assert [(d["code"], d["help"]) for d in found] == [("E0101", f"did you mean `{word}`?")]
    assert type(file.declarations[-2]) is kind
    assert isinstance(file.declarations[-1], t.Let)


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("lable y: float32", "did you mean `label`?"),
        ("outputs y: float32", "did you mean `output`?"),
        ("input y: float32 = 2", "leave `input` out"),
        ("scor = output.y", "did you mean `score`?"),
        ("label y: float32 = 1", "a label has no value: it comes from the sample log"),
    ],
)
def test_a_misspelled_item_of_a_model(text: str, help: str) -> None:
    _, found = parsed(f"model m {{\n  x: float32 = 1\n  {text}\n  z: int64 = 2\n}}")
    assert [(d["code"], d["line"], d["help"]) for d in found] == [("E0101", 3, help)]


@pytest.mark.parametrize(
    ("expression", "help"),
    [
        ("a = b", "write `==` to compare"),
        ("a === b", "write `==`"),
        ("a <> b", "write `!=`"),
        ("a is null", "write `is_null(x)`"),
        ("a is not null", "write `not is_null(x)`"),
        ("a if b else c", "a condition is written `if a then b else c`"),
        ("a ? b : c", "a condition is written `if a then b else c`"),
        ("a ?: b", "write `a ?? b` to replace null"),
        ("if a then b elif c then d else e", "write `else if`"),
        ("case when a then b end", "a condition is written `if a then b else c`"),
        ("a[0]", "an element is `at(list, 0)`; positions count from 0"),
        ('a["k"]', "the value of a key is `get(map, key)`"),
        ("a.b()", "an operator stands first, or after `|>`: `b(x)`, `x |> b`"),
        ("f(a)(b)", "only a name can be called: `f(x)`"),
        ("a not in b", "write `not (x in list)`"),
        ("a between 1 and 2", "write `between(x, low, high)`"),
        ("a contains b", "an operator is called: `contains(a, b)`"),
        ("1 // no comment", "`//` divides; a comment begins with `#`"),
        ("1 /* no */", "a comment begins with `#`"),
        ("+1", "leave the `+` out"),
        (".5", "write `0.5`"),
        ("5.", "write `5.0`"),
        ('a like "b%"', 'write `like(text, "%part%")`'),
        ("1,000", "digits are grouped with `_`: `1_000`"),
        ("0x1F", "write numbers in decimal, as `1_000`"),
        ("10L", "write `10`: a number has no suffix"),
        ('f"{a}"', 'write `format("{}", a)`'),
        ('f"{a.b}_{c:.2f} x"', 'write `format("{}_{:.2f} x", a.b, c)`'),
        ("a[-5:]", "a part of a list is `slice(list, 1, 3)`, its end `take_last(list, 5)`"),
        (
            "a[b.c]",
            "an element is `at(list, 0)`; positions count from 0; the value of a key is `get(map, key)`",
        ),
        ("{1, 2}", 'a map is written `{"a": 1, "b": 2}`, a list `[1, 2]`'),
        (
            "f(x => x)",
            "write `>=` to compare, `:` in a map; an operator maps over a list by itself: `prices * 2`",
        ),
        ("{\n  a: 1}", 'a text stands in quotes: `"a": …`; if it is the name of a value, write `(a): …`'),
        ("hash(a, buckets = 3)", "a named argument is written `buckets: …`, a comparison `buckets == …`"),
        ("hash(a 3)", "put a `,` between the two"),
        ("1 + 2)", "leave it out: no `(` is open here"),
        ("(1, 2)", "a list is written `[a, b]`"),
        ("a->b", "a field is written `source.field`"),
        ("request", "name a field of it: `request.…`"),
    ],
)
def test_advice_on_what_other_languages_write(expression: str, help: str) -> None:
    _, found = parsed(f"feature x = {expression}\nfeature y = 1")
    assert [d["help"] for d in found] == [help]


def test_an_argument_may_be_named_as_a_reserved_word() -> None:
    file, found = parsed("let a = lookup(x, vocab: v)")
    assert found == []
    assert isinstance(file.declarations[0], t.Let)
    assert shape(file.declarations[0].body) == "lookup(x, vocab: v)"


def test_a_span_holds_its_brackets() -> None:
    text = "let a = (b + 1) * (c + 2) |> f"
    file, _ = parsed(text)
    (let,) = file.declarations
    assert isinstance(let, t.Let)
    assert isinstance(let.body, t.Call)
    product = let.body.arguments[0].value
    assert (product.span.start, product.span.end) == (8, 25)
    assert (let.body.span.start, let.body.span.end) == (8, len(text))


def test_several_mistakes_are_reported_in_one_run() -> None:
    text = (
        "source p of user {\n  a: int32 = ,\n  b int64\n  c: string?\n}\nlet x = (1\nlet y = [2\n"
        "feature z = 3 $ 4\nmodel m {\n  i: float32 = [a,\n  j: int64 = )\n}\n"
    )
    assert [(code, line) for code, line, _, _ in faults(text)] == [
        ("E0101", 2), ("E0101", 3), ("E0109", 6), ("E0109", 7), ("E0102", 8), ("E0109", 10), ("E0101", 11),
    ]  # fmt: skip
    assert "a" in parsed(text)[0].broken_names


@pytest.mark.parametrize("text", ["é😀 = 1", "feature\r\n  é😀 = 1", "\tfeature é😀\u00a0= $"])
def test_places_count_code_points(text: str) -> None:
    line, column = (2, 3) if "\r\n" in text else (1, text.index("é") + 1)
    places = [(d["line"], d["column"]) for d in parsed(text)[1]]
    assert (line, column) in places


@pytest.mark.parametrize(
    "text", ["(" * 10_000, "-" * 10_000 + "1", "1 + " * 10_000 + "1", "2 ** " * 10_000 + "1", "not " * 10_000,
             "f(" * 10_000, "[" * 10_000, "if a then b else " * 10_000 + "c", "a" + ".b" * 10_000,
             "a" + " |> f" * 10_000]
)  # fmt: skip
def test_deep_nesting_is_one_clear_error(text: str) -> None:
    assert [f[0] for f in faults(f"feature x = {text}\nfeature y = 1")] == ["E0110"]


def test_a_deep_type_is_one_clear_error() -> None:
    assert [f[0] for f in faults("source p of user { a: " + "list<" * 10_000 + " }")] == ["E0110"]


def test_rendering() -> None:
    diagnostics = Diagnostics()
    parse(SourceFile("x.feat", 'feature a = "é中" |> f ?? (3 \r\n'), diagnostics)
    assert as_text(diagnostics.found) == (
        "error[E0108]: `??` after `|>` needs parentheses\n"
        " --> x.feat:1:23\n"
        '1 | feature a = "é中" |> f ?? (3\n'
        "  |                        ^^\n"
        "help: `|>` binds loosest of all: write `(a |> f) ?? b`\n\n1 error"
    )


PIECES = [
    *'afx01 .,:=()[]{}<>"\\\n\r\t#?|*/-+%é😀_', "let ", "feature ", "model ", "source ", "if ", "then ", "else ",
    "not ", "per ", "of ", "request", " in ", "|>", "??",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_any_text_gets_diagnostics_and_no_exception(text: str) -> None:
    _, found = parsed(text)
    for d in found:
        assert (d["line"], d["column"]) <= (d["end_line"], d["end_column"])
        assert d["code"].startswith("E01")


@given(st.binary())
def test_any_decodable_bytes(data: bytes) -> None:
    parsed(data.decode("utf-8", "replace"))

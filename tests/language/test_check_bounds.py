"""Large and hostile programs: an answer or an error, never a traceback."""

from __future__ import annotations

import pytest

from featdsl.check import check

HEAD = "entity item: string per candidate\nsource s of item { n: int32 = 0 }\n"


def codes(text: str) -> list[str]:
    return [d.code for d in check("t.feat", overlay={"t.feat": HEAD + text}).diagnostics]


def test_a_long_chain_of_lets() -> None:
    chain = [f"let x{i} = x{i + 1} + 1\n" for i in range(20_000)]
    assert codes("".join(chain) + "let x20000 = s.n\nfeature f = x0") == []
    assert codes("".join(chain) + "let x20000 = x0\nfeature f = x0") == ["E0307"]


def test_thousands_of_features() -> None:
    assert codes("".join(f"feature f{i} = log1p(s.n) * {i} ?? 0.0\n" for i in range(3_000))) == []


def test_thousands_of_mistakes() -> None:
    assert codes("".join(f"feature f{i} = t.n + m{i}\n" for i in range(2_000))) == ["E0301"] * 2_001


@pytest.mark.parametrize("body", ["d{0}(x) + d{0}(x)", "d{0}(x + 1) * d{0}(x + 1)"])
def test_defs_that_share_their_parts_do_not_explode(body: str) -> None:
    defs = "def d0(x) = x + 1\n" + "".join(f"def d{i + 1}(x) = {body.format(i)}\n" for i in range(200))
    assert codes(defs + "feature f = d200(s.n)") == []


def test_defs_that_explode() -> None:
    defs = "def d0(x) = x\n" + "".join(f"def d{i + 1}(x) = d{i}(x * 2) + d{i}(x * 3)\n" for i in range(40))
    assert codes(defs + "feature f = d40(s.n)\nfeature g = d39(s.n)") == ["E0214"]


def test_a_deep_chain_of_defs() -> None:
    defs = "def d0(x) = x\n" + "".join(f"def d{i + 1}(x) = d{i}(x)\n" for i in range(5_000))
    assert codes(defs + "feature f = d5000(s.n)") == ["E0214"]
    assert codes(defs) == []


def test_deep_expressions() -> None:
    assert codes("feature f = " + "(" * 300 + "s.n" + ")" * 300) == []
    nested = "".join(f"def d{i + 1}(x) = {'abs(' * 150}d{i}(x){')' * 150}\n" for i in range(10))
    assert codes("def d0(x) = x\n" + nested + "feature f = d10(s.n)") == []
    assert codes("feature f = " + "(" * 10_000 + "s.n" + ")" * 10_000) == ["E0110"]


def test_an_empty_file() -> None:
    result = check("t.feat", overlay={"t.feat": ""})
    assert result.program is not None
    assert result.program.schema.namespace == "t"


def test_the_mistakes_of_one_run_are_bounded() -> None:
    found = codes("feature f = " + "$" * 20_000 + "\n" + "feature g = s.n ?? 1\n")
    assert (found.count("E0102"), found.count("W0101")) == (5_000, 1)
    warnings = "".join(f"feature w{i} = s.n ?? {i}\n" for i in range(5_100))
    assert codes(warnings + "feature last = nope")[-1] == "E0301"


def test_a_long_chain_of_sources() -> None:
    chain = "".join(f"source s{i + 1} = s{i} of item\n" for i in range(3_000))
    assert codes("source s0 = s of item\n" + chain + "feature f = s3000.n") == []

"""Random programs: text, what it reads, and calls that it is run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from featdsl.check import check
from featdsl.program import CheckedProgram
from featdsl.rendering import as_text
from featdsl.types import NUMERIC_KINDS, Kind
from tests.random_programs.generate import Callee, Expression, Maker, all_callees
from tests.random_programs.inputs import OUTPUTS, declarations, vocab_files
from tests.random_programs.scope import Scope
from tests.random_programs.values import Call, calls

PATH = "random.feat"

_GROUPS = [group for groups in all_callees().values() for group in groups]


@dataclass(frozen=True)
class Program:
    """`text` declares the inputs that are read, and no others. `outputs` are the model's answers, a list for each
    candidate of a call; empty without a model."""

    text: str
    inputs: frozenset[str]
    calls: tuple[Call, ...] = ()
    outputs: Mapping[str, tuple[float, ...]] | None = None

    def checked(self) -> CheckedProgram:
        """Errors: `AssertionError` with the mistakes."""
        result = check(PATH, overlay={PATH: self.text, **vocab_files()}, nullable_features=True)
        assert result.program is not None, as_text(result.diagnostics) + self.text
        return result.program


def _maker(draw: st.DrawFn, prefix: str = "") -> Maker:
    """With a scope of its own: what another example left there must change no draw."""
    return Maker(draw, Scope(), prefix)


@st.composite
def features(draw: st.DrawFn, callees: Sequence[Callee], prefix: str) -> Expression:
    """One expression that calls one of the callees."""
    return _maker(draw, prefix).feature(draw(st.sampled_from(callees)))


@st.composite
def calls_on_inputs(draw: st.DrawFn, callee: Callee) -> Expression:
    """One call of the overload or the def on inputs and constants."""
    return _maker(draw).plain(callee)


@st.composite
def programs(draw: st.DrawFn, callees: Sequence[Callee]) -> Program:
    """A program with a feature that calls one of the callees, perhaps with others, some of which share its parts, and a
    model, and one or two calls."""
    maker = _maker(draw)
    made = [maker.feature(draw(st.sampled_from(callees)))]
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 1, 2)))):
        others = draw(st.sampled_from(draw(st.sampled_from(_GROUPS))))
        made.append((maker.again() if draw(st.booleans()) else None) or maker.feature(others))
    lines = [line for one in made for line in one.defs]
    lines += [f"feature f{i} = {one.text}" for i, one in enumerate(made)]
    outputs: dict[str, tuple[float, ...]] | None = None
    if draw(st.integers(0, 3)) == 3:
        model, used = _model(draw, maker, made)
        lines += model
        made += used
        outputs = {
            name: tuple(draw(st.lists(st.floats(width=32), min_size=3, max_size=3))) for name in OUTPUTS
        }
    inputs = frozenset().union(*(one.inputs for one in made))
    text = declarations(inputs) + "\n".join(dict.fromkeys(lines)) + "\n"
    given = tuple(draw(st.lists(calls(inputs), min_size=1, max_size=2)))
    return Program(text, inputs, given, outputs)


def _model(draw: st.DrawFn, maker: Maker, made: list[Expression]) -> tuple[list[str], list[Expression]]:
    """A model that takes numbers and vectors of the features, with casts, and has `keep` and `score`."""
    used: list[Expression] = []
    lines = ["model ranker {"]
    kinds = NUMERIC_KINDS | {Kind.BOOL}
    for i, one in enumerate(made):
        plain = maker.not_null(one)
        if plain.type.nullable:
            continue
        if plain.type.kind in kinds:
            lines.append(f"  n{i}: float32 = [{plain.text}, 1, true]")
        elif plain.type.kind is Kind.VECTOR and plain.type.item.kind in kinds:
            lines.append(f"  n{i}: {draw(st.sampled_from(['float32', 'float64']))} = {plain.text}")
        elif plain.type.kind is Kind.ID:
            lines.append(f"  n{i}: int64 = hash({plain.text}, 1000)")
        else:
            continue
        used.append(plain)
    lines += [f"  output {name}: {type}" for name, type in OUTPUTS.items()]
    keep = next((one for one in used if one.type.kind is Kind.BOOL), None)
    number = next((one for one in used if one.type.kind in NUMERIC_KINDS), None)
    if not used:
        lines.insert(1, "  n: float32 = 1.5")
    lines.append(f"  keep = {f'{keep.text} or ' if keep else ''}output.watch > 0.5")
    factor = f" * {number.text}" if number else ""
    lines.append(f"  score = output.like ** 0.7{factor} + output.watch ?? 0.0")
    return [line for one in used for line in one.defs] + [*lines, "}"], used

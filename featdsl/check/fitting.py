"""Sites of fitted state: what is learned from data becomes constants, taken from the state file.

A site whose state is not there gets placeholders of the same types, so that the rest of the program is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from featdsl.check.calls import Calls
from featdsl.check.complaints import Complaints
from featdsl.check.identity import Identity, digest
from featdsl.check.nodes import Nodes, whole
from featdsl.check.state_file import StateFile
from featdsl.check.values import Given, VocabValue
from featdsl.fit import (
    FITS,
    LEARNED,
    FitParameter,
    Learned,
    constants_of,
    statistic_parameters,
    value_of,
)
from featdsl.levels import Level
from featdsl.operators.declare import NOT_CONSTANT, OPERATORS, REQUIRED
from featdsl.program import Column, FitSite, Schema
from featdsl.resources import Vocab
from featdsl.source_file import Span
from featdsl.state import FittedSite
from featdsl.syntax import tree
from featdsl.typed import Typed
from featdsl.types import (
    FLOAT64,
    INTEGER_KINDS,
    NULL,
    NUMERIC_KINDS,
    STRING,
    Kind,
    Type,
    list_of,
    vector_of,
)


class FittedVocab:
    """`fit vocab(…)` as an argument: a vocab whose entries come once it is known what is looked up in it."""

    def __init__(self, parameters: Mapping[str, Any], found: Vocab) -> None:
        self.parameters = parameters
        self.name = f"fit vocab({', '.join(f'{name}: {value}' for name, value in parameters.items())})"
        self.strings: Vocab | None = found

    def integers(self, span: Span) -> Vocab | None:
        return self.strings


class Fitting:
    """Checks what is learned. A method that gives None has reported why, or waits for what is not fitted yet.

    `declaration` is what is being checked; `labels` are the labels of all models, None for one with a mistake.
    """

    def __init__(self, nodes: Nodes, calls: Calls, complaints: Complaints) -> None:
        self.declaration = ""
        self.labels: Mapping[str, Column | None] = {}
        self.sites: dict[str, FitSite] = {}
        self._nodes = nodes
        self._calls = calls
        self._complaints = complaints
        self._open: set[int] = set()
        self._state: StateFile | None = None
        self._identity: Identity | None = None

    def begin(self, schema: Schema, labels: Mapping[str, Column | None], state: StateFile) -> None:
        """To be called before the first expression is checked."""
        self.labels = labels
        self._state = state
        self._identity = Identity(schema, lambda node: id(node) in self._open)

    def identity(self, expression: Typed) -> str | None:
        """The digest of an expression; None where something in it is not fitted yet."""
        assert self._identity is not None
        return self._identity.of(expression)

    # --- operators whose constants are left out ------------------------------------------------

    def leaves_out(self, name: str, given: list[Given]) -> bool:
        """Whether a call leaves out the constants, so that they are learned."""
        learned = LEARNED.get(name)
        if learned is None:
            return False
        if name not in OPERATORS:
            return True
        named = {one.name.name for one in given if one.name is not None}
        positional = sum(one.name is None for one in given)
        return not named.intersection(learned.constants) and positional <= learned.values + len(
            learned.parameters
        )

    def call(self, name: str, given: list[Given], span: Span, at: Span) -> Typed | None:
        """The operator with the constants that were learned for its argument."""
        learned = LEARNED[name]
        known = {p.name for p in learned.parameters}
        values: list[Given] = []
        options: list[Given] = []
        for one in given:
            is_value = one.name is None and len(values) < learned.values
            is_named = one.name is not None and one.name.name not in known
            (values if is_value or is_named else options).append(one)
        parameters = self._parameters(name, learned.parameters, options, at)
        if parameters is None:
            return None
        if name == "target_mean":
            values.insert(1, Given(self._nodes.constant(None, NULL, span), span))
        trial = self._apply(learned, values, learned.placeholders, span, at)
        if trial is None:
            return None
        label = self._label(parameters, options, at)
        if learned.statistic == "means" and label is None:
            return None
        place = given[min(learned.argument, len(given) - 1)].span
        operator, _ = whole(trial)
        argument = operator.args[learned.argument]
        found = self._site(learned.statistic, parameters, argument, place, span, label)
        if found is not None:
            constants = self._tried(lambda: constants_of(learned, found.values), span)
            return None if constants is None else self._apply(learned, values, constants, span, at)
        self._open.add(id(operator))
        return trial

    def _apply(
        self, learned: Learned, values: list[Given], constants: Mapping[str, Any], span: Span, at: Span
    ) -> Typed | None:
        named = [self._constant(name, value, span) for name, value in constants.items()]
        return self._calls.call(learned.operator, [*values, *named], span, at=at, fitted=True)

    def _constant(self, name: str, value: Any, span: Span) -> Given:
        as_name = tree.Identifier(name, span)
        if isinstance(value, Vocab):
            return Given(VocabValue(FittedVocab({}, value), span), span, as_name)
        return Given(self._nodes.constant(value, _type_of(value), span), span, as_name)

    def _label(self, parameters: Mapping[str, Any], options: list[Given], at: Span) -> Column | None:
        """The label that a mean is of."""
        name = parameters.get("label")
        if name is None:
            return None
        if name not in self.labels:
            place = next((o.span for o in options if o.name and o.name.name == "label"), at)
            known = ", ".join(f'"{label}"' for label in self.labels)
            self._complaints.error(
                "E0804",
                f"no model has such a label: `{name}`",
                place,
                help=self._complaints.suggestions.help(name, self.labels)
                or (f"the labels are {known}" if known else "declare it in a model: `label liked: float32`"),
            )
        return self.labels.get(name)

    # --- fit expressions -----------------------------------------------------------------------

    def expression(self, node: tree.Fit, given: list[Given]) -> Typed | VocabValue | None:
        """`fit mean(x)` and the like: a constant; `fit vocab()`: a vocab."""
        name = node.what.name
        if name not in FITS:
            known = ", ".join(f"`fit {fit}`" for fit in FITS)
            self._complaints.error(
                "E0213",
                f"there is nothing of this name to be fitted: `{name}`",
                node.what.span,
                help=f"did you mean `{name}(…)`?" if name in LEARNED else f"there is {known}",
            )
            return None
        statistic, allowed = FITS[name]
        if name == "vocab":
            parameters = self._parameters("fit vocab", allowed, given, node.what.span)
            if parameters is None:
                return None
            return VocabValue(FittedVocab(parameters, Vocab.of("fitted", ())), node.span)
        if not given or given[0].name is not None:
            self._complaints.error(
                "E0204",
                f"it is not said what `fit {name}` learns from",
                node.what.span,
                help=f"write `fit {name}(x)`",
            )
            return None
        parameters = self._parameters(f"fit {name}", allowed, given[1:], node.what.span)
        argument = self._numbers(name, given[0])
        if parameters is None or argument is None:
            return None
        parameters = statistic_parameters(name, parameters)
        found = self._site(statistic, parameters, argument, given[0].span, node.span)
        if found is None:
            return None
        value = self._tried(lambda: value_of(name, found.values), node.span)
        return None if value is None else self._nodes.constant(value, _type_of(value), node.span)

    def _numbers(self, name: str, given: Given) -> Typed | None:
        """The argument as `zscore` takes it: floats, or lists of them."""
        value = given.value
        if isinstance(value, VocabValue) or _innermost(value.type).kind not in NUMERIC_KINDS:
            found = "vocab" if isinstance(value, VocabValue) else str(value.type)
            self._complaints.error(
                "E0203",
                f"`fit {name}` learns from numbers",
                given.span,
                label=f"this is `{found}`",
            )
            return None
        trial = self._apply(
            LEARNED["zscore"], [given], LEARNED["zscore"].placeholders, given.span, given.span
        )
        return None if trial is None else whole(trial)[0].args[0]

    # --- vocabs --------------------------------------------------------------------------------

    def with_vocab(self, name: str, given: list[Given], span: Span, at: Span) -> Typed | None:
        """An operator that is given a `fit vocab()`: it is learned from the operator's first argument."""
        trial = self._calls.call(name, given, span, at=at)
        if trial is None or not whole(trial)[0].args:
            return trial
        operator, _ = whole(trial)
        argument = operator.args[0]
        kind = _innermost(argument.type).kind
        wanted = next(one.value for one in given if is_fitted_vocab(one))
        assert isinstance(wanted, VocabValue)
        assert isinstance(wanted.vocab, FittedVocab)
        if kind is not Kind.STRING and kind not in INTEGER_KINDS:
            self._complaints.error(
                "E0203",
                "a vocab is learned from texts or integers",
                span,
                label=f"the first argument is `{argument.type}`",
            )
            return None
        place = next(one.span for one in given if not is_fitted_vocab(one))
        found = self._site("vocab", wanted.vocab.parameters, argument, place, span)
        if found is None:
            self._open.add(id(operator))
            return trial
        vocab = self._tried(lambda: Vocab.of("fitted", tuple(found.values["entries"])), span)
        if vocab is None:
            return None
        filled = FittedVocab(wanted.vocab.parameters, vocab)
        arguments = [
            Given(VocabValue(filled, one.span), one.span, one.name) if is_fitted_vocab(one) else one
            for one in given
        ]
        return self._calls.call(name, arguments, span, at=at)

    # --- sites ---------------------------------------------------------------------------------

    def _site(
        self,
        statistic: str,
        parameters: Mapping[str, Any],
        argument: Typed,
        place: Span,
        span: Span,
        label: Column | None = None,
    ) -> FittedSite | None:
        """What was learned for a site; None where nothing was, which is reported."""
        assert self._state is not None
        if argument.level is Level.AFTER:
            self._complaints.error(
                "E0805",
                "what a model gives is not there to learn from",
                place,
                help="learn from what the model is given",
            )
            return None
        inner = self.identity(argument)
        if inner is None:
            return None
        number = digest((statistic, sorted(parameters.items()), inner, str(label.type) if label else ""))
        site = self.sites.get(number)
        if site is None:
            text = " ".join(place.file.text[place.start : place.end].split())
            of = text if len(text) <= 200 else text[:199] + "…"
            state = self._state.site(number)
            site = FitSite(
                number, self.declaration, statistic, of, dict(parameters), argument, span, label, state
            )
            self.sites[number] = site
        if site.state is None:
            self._state.report_missing(site, self._complaints, span)
        return site.state

    def _tried(self, take: Callable[[], Any], span: Span) -> Any:
        """What `take` makes of the values in the state file, which may be of any kind."""
        try:
            return take()
        except (KeyError, TypeError, ValueError, IndexError, ArithmeticError):
            assert self._state is not None
            self._state.report_damaged(
                "the values of a site are not as they should be", self._complaints, span
            )
            return None

    def _parameters(
        self, what: str, allowed: tuple[FitParameter, ...], given: list[Given], at: Span
    ) -> dict[str, Any] | None:
        """The options with their values, defaults filled in."""
        by_name = {p.name: p for p in allowed}
        found: dict[str, Any] = {}
        positions = iter(by_name)
        for one in given:
            name = one.name.name if one.name is not None else next(positions, None)
            place = one.name.span if one.name is not None else one.span
            if name is None:
                self._complaints.error(
                    "E0204", f"`{what}` has too many arguments", place, help=_usage(allowed)
                )
                return None
            if name not in by_name or name in found:
                twice = name in found
                message = "an argument is given twice" if twice else f"`{what}` has no option of this name"
                self._complaints.error("E0205", f"{message}: `{name}`", place, help=_usage(allowed))
                return None
            value = self._nodes.value_of(one.value) if isinstance(one.value, Typed) else NOT_CONSTANT
            if value is NOT_CONSTANT:
                self._complaints.error("E0206", f"`{name}` must be a constant", one.span)
                return None
            try:
                found[name] = by_name[name].fitted(value)
            except ValueError as error:
                self._complaints.error("E0207", str(error), one.span)
                return None
        for name, parameter in by_name.items():
            if name not in found:
                if parameter.default is REQUIRED:
                    message = f"an argument of `{what}` is missing: `{name}`"
                    self._complaints.error("E0204", message, at, help=_usage(allowed))
                    return None
                found[name] = parameter.default
        return {name: found[name] for name in by_name}


def is_fitted_vocab(given: Given) -> bool:
    return isinstance(given.value, VocabValue) and isinstance(given.value.vocab, FittedVocab)


def _usage(allowed: tuple[FitParameter, ...]) -> str:
    return f"its options are {', '.join(f'`{p.name}`' for p in allowed)}" if allowed else "it has no options"


def _innermost(given: Type) -> Type:
    while given.is_listlike:
        given = given.item
    return given


def _type_of(value: Any) -> Type:
    if isinstance(value, tuple):
        return vector_of(FLOAT64, len(value)) if value else list_of(NULL.optional(False))
    return STRING if isinstance(value, str) else FLOAT64

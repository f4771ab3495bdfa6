"""Which values of a model's graph are by row: a row of theirs depends on the same row of the inputs and no other.

That makes it safe to run the candidates of several calls at once, and to compute once what is per request. Known are
the operators in `_RULES` and those that torch marks as pointwise; a graph with any other is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

import torch
from torch.fx import GraphModule, Node

Shapes = Mapping[str, tuple[torch.dtype, tuple[int | None, ...]]]


class Level(Enum):
    """What a value has rows of."""

    FIXED = "fixed"
    """None: parameters and constants."""
    SIZE = "size"
    """None: it is the number of candidates, or made from it."""
    REQUEST = "request"
    """Dimension 0 is the request: one row a call."""
    ROWS = "rows"
    """Dimension 0 are the candidates."""


BY_ROW = (Level.REQUEST, Level.ROWS)


class NotByRow(Exception):
    """The graph mixes rows, or may; the text says where."""


def levels(module: GraphModule, inputs: Shapes) -> dict[Node, Level]:
    """The level of each value of an exported graph. Errors: `NotByRow`."""
    found: dict[Node, Level] = {}
    rows = _rows_of(module, inputs)
    for node in module.graph.nodes:
        if node.op == "placeholder":
            found[node] = Level.ROWS if inputs[str(node.target)][1][0] is None else Level.REQUEST
        elif node.op == "get_attr":
            found[node] = Level.FIXED
        elif node.op == "output":
            for given in node.all_input_nodes:
                if found[given] is not Level.ROWS:
                    raise NotByRow(f"an output has no row a candidate: {given}")
        else:
            found[node] = _Operation(node, found, rows).level()
    return found


def _rows_of(module: GraphModule, inputs: Shapes) -> Any:
    """The symbol of the number of candidates."""
    for node in module.graph.nodes:
        if node.op == "placeholder":
            if str(node.target) not in inputs:
                raise NotByRow(f"an input of another name: {node.target}")
            if inputs[str(node.target)][1][0] is None:
                return node.meta["val"].shape[0].node.expr
    raise NotByRow("no input is per candidate")


class _Operation:
    """One operator of a graph, with the levels of what it is given."""

    def __init__(self, node: Node, found: Mapping[Node, Level], rows: Any) -> None:
        self.node = node
        self.found = found
        self.rows = rows
        schema = getattr(node.target, "_schema", None)
        self.name = schema.name.removeprefix("aten::") if schema is not None else str(node.target)
        self.mutates = schema is not None and schema.is_mutable
        self.given: dict[str, Any] = {}
        for i, argument in enumerate(schema.arguments if schema is not None else ()):
            default = argument.default_value if argument.has_default_value() else None
            given = node.args[i] if i < len(node.args) else node.kwargs.get(argument.name, default)
            self.given[argument.name] = given

    def level(self) -> Level:
        if self.name.startswith(("_assert", "sym_constrain")):
            return Level.FIXED
        given = {self.found[one] for one in self.node.all_input_nodes}
        if self.name.startswith("sym_size") or not isinstance(self.made[0], torch.Tensor):
            return Level.SIZE
        if self.name == "<built-in function getitem>":
            return self._made_level()
        if self.mutates:
            raise self._refused("changes what it is given")
        if Level.SIZE in given and self.name not in _SIZED:
            raise self._refused("depends on the number of candidates")
        if not given & set(BY_ROW):
            return self._of_constants(given)
        level = self._made_level()
        if level is Level.REQUEST and Level.ROWS in given:
            raise self._refused("makes one row of all")
        if level is Level.ROWS and Level.ROWS not in given and self.name not in ("expand", "expand_as"):
            raise self._refused("repeats the request in a way that is not known")
        rule = _pointwise if self._is_pointwise() else _RULES.get(self.name)
        if rule is None or not rule(self):
            raise self._refused("may mix rows")
        return level

    @property
    def made(self) -> list[Any]:
        """What it gives, as the exporter saw it."""
        value = self.node.meta.get("val")
        return list(value) if isinstance(value, (list, tuple)) and value else [value]

    def by_row(self, name: str) -> bool:
        """Whether an argument, or each of a list of them, is by row."""
        given = self.given[name]
        nodes = given if isinstance(given, (list, tuple)) else [given]
        return bool(nodes) and all(isinstance(n, Node) and self.found[n] in BY_ROW for n in nodes)

    def fixed(self, name: str) -> bool:
        """Whether an argument depends on no row; absent ones do not."""
        given = self.given.get(name)
        return not isinstance(given, Node) or self.found[given] is Level.FIXED

    def rank(self, name: str) -> int:
        given = self.given[name]
        first = given[0] if isinstance(given, (list, tuple)) else given
        return len(first.meta["val"].shape)

    def dims(self, name: str, of: str, extra: int = 0) -> Iterator[int]:
        """Dimensions that are named, counted from the front. `extra`: how many more the result has."""
        given = self.given[name]
        for dim in given if isinstance(given, (list, tuple)) else [given]:
            yield dim if dim >= 0 else dim + self.rank(of) + extra

    def tensors(self) -> list[Node]:
        return [n for n in self.node.all_input_nodes if isinstance(n.meta.get("val"), torch.Tensor)]

    def _is_pointwise(self) -> bool:
        return torch.Tag.pointwise in getattr(self.node.target, "tags", ())

    def _of_constants(self, given: set[Level]) -> Level:
        if Level.SIZE not in given:
            return Level.FIXED
        if self.name not in _FILLS:
            raise self._refused("depends on the number of candidates")
        return self._made_level()

    def _made_level(self) -> Level:
        """By the shape: the candidates in dimension 0 and nowhere else, or one row."""
        found = set()
        for value in self.made:
            if not isinstance(value, torch.Tensor):
                raise self._refused("gives what is no tensor")
            where = [i for i, size in enumerate(value.shape) if self._is_rows(size)]
            if any(isinstance(size, torch.SymInt) and not self._is_rows(size) for size in value.shape):
                raise self._refused("gives a size that is made from the number of candidates")
            if where == [0]:
                found.add(Level.ROWS)
            elif not where and value.dim() and value.shape[0] == 1:
                found.add(Level.REQUEST)
            else:
                raise self._refused("moves or loses the rows")
        if len(found) != 1:
            raise self._refused("gives rows of two kinds")
        return found.pop()

    def _is_rows(self, size: Any) -> bool:
        return isinstance(size, torch.SymInt) and bool(size.node.expr == self.rows)

    def _refused(self, why: str) -> NotByRow:
        return NotByRow(f"`{self.name}` {why}")


_Rule = Callable[[_Operation], bool]


def _pointwise(o: _Operation) -> bool:
    """Rows stand beside each other only where the ranks are equal: others are aligned at the last dimension."""
    rank = len(o.made[0].shape)
    return all(len(n.meta["val"].shape) == rank for n in o.tensors() if o.found[n] in BY_ROW)


def _linear(o: _Operation) -> bool:
    return o.by_row("input") and o.rank("input") > 1 and o.fixed("weight") and o.fixed("bias")


def _product(o: _Operation) -> bool:
    first, second = ("self", "mat2") if "mat2" in o.given else ("self", "other")
    if o.by_row(second):
        return o.by_row(first) and o.rank(first) == o.rank(second) > 2
    return o.by_row(first) and o.rank(first) > 1 and o.fixed(second)


def _addmm(o: _Operation) -> bool:
    return o.fixed("self") and o.by_row("mat1") and o.fixed("mat2")


def _attention(o: _Operation) -> bool:
    mask = o.given["attn_mask"] is None or (o.by_row("attn_mask") and o.rank("attn_mask") == o.rank("query"))
    return all(o.by_row(name) and o.rank(name) > 2 for name in ("query", "key", "value")) and mask


def _einsum(o: _Operation) -> bool:
    given, _, made = str(o.given["equation"]).replace(" ", "").partition("->")
    terms = given.split(",")
    return (
        made[:1].isalpha()
        and made.count(made[0]) == 1
        and all(term[:1] == made[0] and term.count(made[0]) == 1 for term in terms)
        and o.by_row("tensors")
    )


def _normalized(o: _Operation) -> bool:
    return o.by_row("input") and len(o.given["normalized_shape"]) < o.rank("input")


def _normalized_batch(o: _Operation) -> bool:
    return o.by_row("input") and not o.given["training"]


def _dropout(o: _Operation) -> bool:
    return o.given["train"] is False


def _passes(o: _Operation) -> bool:
    return True


def _expand(o: _Operation) -> bool:
    return o.rank("self") == len(o.made[0].shape)


def _embedding(o: _Operation) -> bool:
    return o.fixed("weight") and o.by_row("indices")


def _rows_of_table(o: _Operation) -> bool:
    return o.by_row("ids")


def _searched(o: _Operation) -> bool:
    """In one ascending list, whatever the row."""
    return o.fixed("sorted_sequence") and o.rank("sorted_sequence") == 1 and o.by_row("self")


def _joined(o: _Operation) -> bool:
    extra = 1 if o.name == "stack" else 0
    return o.by_row("tensors") and 0 not in o.dims("dim", "tensors", extra)


def _along(name: str = "dim", of: str = "self", *, extra: int = 0, all_rows: bool = False) -> _Rule:
    """Works along dimensions that must not be the rows. `all_rows`: every tensor that it is given is by row."""

    def rule(o: _Operation) -> bool:
        if o.given.get(name) in (None, [], ()) or not o.by_row(of):
            return False
        if all_rows and not all(o.found[n] in BY_ROW for n in o.tensors()):
            return False
        return 0 not in o.dims(name, of, extra)

    return rule


def _index_select(o: _Operation) -> bool:
    return o.by_row("self") and o.fixed("index") and 0 not in o.dims("dim", "self")


def _permute(o: _Operation) -> bool:
    return next(o.dims("dims", "self")) == 0


def _transpose(o: _Operation) -> bool:
    return 0 not in [*o.dims("dim0", "self"), *o.dims("dim1", "self")]


def _padded(o: _Operation) -> bool:
    return o.by_row("self") and len(o.given["pad"]) < 2 * o.rank("self")


def _convolved(o: _Operation) -> bool:
    return o.by_row("input") and o.rank("input") > 2 and o.fixed("weight") and o.fixed("bias")


_FILLS = frozenset(("zeros", "ones", "full", "new_zeros", "new_ones", "new_full", "expand"))
"""Give the same for every row, whatever their number."""
_SIZED = _FILLS | {"view", "reshape", "_unsafe_view", "expand_as"}
"""May be given the number of candidates: for a shape."""

_RULES: dict[str, _Rule] = {
    "linear": _linear,
    "mm": _product,
    "matmul": _product,
    "bmm": _product,
    "addmm": _addmm,
    "scaled_dot_product_attention": _attention,
    "einsum": _einsum,
    "embedding": _embedding,
    "featdsl::rows": _rows_of_table,
    "searchsorted": _searched,
    "layer_norm": _normalized,
    "native_layer_norm": _normalized,
    "rms_norm": _normalized,
    "batch_norm": _normalized_batch,
    "dropout": _dropout,
    "feature_dropout": _dropout,
    "alpha_dropout": _dropout,
    "cat": _joined,
    "stack": _joined,
    "permute": _permute,
    "transpose": _transpose,
    "index_select": _index_select,
    "constant_pad_nd": _padded,
    "pad": _padded,
    "conv1d": _convolved,
    "conv2d": _convolved,
    "expand": _expand,
    "expand_as": _expand,
    "unsqueeze": _along(extra=1),
    "cosine_similarity": _along("dim", "x1", all_rows=True),
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "flatten", "unflatten"), _passes),
    **dict.fromkeys(
        ("zeros_like", "ones_like", "full_like", "clone", "contiguous", "detach", "alias"), _passes
    ),
    **dict.fromkeys(("to", "_to_copy", "type_as", "lift_fresh_copy"), _passes),
    **dict.fromkeys(("squeeze", "slice", "select", "narrow", "split", "split_with_sizes", "chunk"), _along()),
    **dict.fromkeys(("unbind", "cumsum", "cumprod", "sort", "topk", "softmax", "log_softmax"), _along()),
    **dict.fromkeys(
        ("_softmax", "_log_softmax", "sum", "mean", "amax", "amin", "prod", "std", "var"), _along()
    ),
    **dict.fromkeys(("max", "min", "argmax", "argmin", "any", "all", "logsumexp", "norm"), _along()),
    **dict.fromkeys(("linalg_vector_norm",), _along()),
    "flip": _along("dims"),
    "gather": _along(all_rows=True),
}

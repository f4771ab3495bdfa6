"""A model whose tables lie beside its graph in two: what looks rows up, and the rest, which takes them as inputs.

The rest is a graph of tensors alone, so it can be compiled as any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from featdsl.torch.halves import half, needed, outputs_of
from featdsl.torch.levels import BY_ROW, NotByRow, levels
from featdsl.torch.saved_model import SavedModel
from featdsl.torch.table_rows import ROWS


@dataclass(frozen=True, slots=True)
class RowsFirst:
    """`rows` gives the rows by name, of a call's inputs; `rest` gives what the model gives, of both."""

    rows: SavedModel
    rest: SavedModel


def rows_first(model: SavedModel) -> RowsFirst | str:
    """The model in two, or why it stays in one. Running nothing."""
    try:
        known = levels(model.module, model.inputs)
    except NotByRow as refused:
        return f"off: it reads tables, and {refused}"
    outputs = outputs_of(model, model.module)
    live = needed(outputs.values())
    known = {node: level for node, level in known.items() if node in live}
    found = [node for node in known if node.target is ROWS]
    if any(known[node] not in BY_ROW for node in found):
        return "off: it reads rows of ids that are no input"
    if any(one.target is ROWS for node in found for one in needed(node.all_input_nodes)):
        return "off: it reads rows of ids that are made of rows"
    rows = {f"rows_{number}__": node for number, node in enumerate(found)}
    return RowsFirst(
        half(model, model.module, known, rows, {}), half(model, model.module, known, outputs, rows)
    )

"""The graphs that a model's options ask for. Making them runs nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from featdsl.torch.across_calls import AcrossCalls
from featdsl.torch.bfloat16 import with_bfloat16_products
from featdsl.torch.by_level import split_by_level
from featdsl.torch.checked_ids import with_checked_ids
from featdsl.torch.form import Form
from featdsl.torch.levels import NotByRow
from featdsl.torch.rows_first import rows_first
from featdsl.torch.saved_model import SavedModel
from featdsl.torch.table_rows import tables_read
from online.model_server.options import ModelOptions


@dataclass(slots=True)
class Graphs:
    """`model` is run for one call; `across`, where the graph is by row, for several as one. `not_by_row` says why it is
    not. `rows`: what gives the rows of tables that both take as inputs. `facts` are what was done."""

    model: SavedModel
    across: AcrossCalls | None = None
    not_by_row: str = ""
    changed: bool = False
    rows: SavedModel | None = None
    facts: dict[str, str] = field(default_factory=dict)

    def form(self) -> Form:
        """What is compiled, or run on a device: for several calls where that is possible."""
        return Form(self.model, self.model.module, self.across)


def graphs_of(model: SavedModel, options: ModelOptions, *, on_device: bool) -> Graphs:
    """The graphs of a model as it was saved, changed as `options` say; with `item_parts` of what was split already.
    `on_device`: for another one than the processor."""
    rows = None
    if options.compile and tables_read(model.module):
        apart = rows_first(model)
        assert not isinstance(apart, str), "who asks for it has looked"
        model, rows = apart.rest, apart.rows
    module = model.module
    made = Graphs(model, rows=rows)
    if options.split and not options.item_parts:
        module, made.facts["split"] = split_by_level(module, model.inputs)
    narrow, products = module, 0
    if options.dtype == "bfloat16":
        narrow, products = with_bfloat16_products(module)
        made.facts["dtype"] = f"bfloat16 in {products} products"
    if narrow is not model.module:
        made.model, made.changed = replace(model, module=narrow), True
    if not options.max_rows and not on_device:
        return made
    try:
        checked = with_checked_ids(module, model.inputs) if on_device else module
        made.across = AcrossCalls(checked, model.inputs, bfloat16=products > 0)
    except NotByRow as refused:
        made.not_by_row = str(refused)
    except Exception as fault:  # whatever a graph that is not ours may raise
        made.not_by_row = f"{type(fault).__name__}: {fault}"
    return made

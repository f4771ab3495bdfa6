"""A fetched version as other servers can use it: a graph by itself."""

from __future__ import annotations

from pathlib import Path

from featdsl.errors import InputError
from model_sync.table_stack import TABLES
from online.export.layout import NotExported

MODEL, BUNDLE = "model.json", "bundle.featb"


def prepared(fetched: Path, *, checked: bool) -> Path:
    """The folder of a version whose tables are parameters of its graph; the same one where it has none. `checked`: the
    graph is loaded as our own model server loads it, and run. Errors: `NotExported`."""
    has_tables = (fetched / TABLES).exists()
    if not has_tables and not checked:
        return fetched
    from featdsl.torch.freezing import freeze
    from featdsl.torch.saved_model import load_model

    try:
        if has_tables:
            return freeze(fetched, fetched.with_name("frozen"))
        load_model(fetched).warm()
    except InputError as fault:
        raise NotExported(fault.message) from fault
    except Exception as fault:  # whatever the graph raises
        raise NotExported(f"its graph does not run: {fault}") from fault
    return fetched

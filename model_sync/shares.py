"""What one process of a training job has to tell of its tables, and the layers that the shares of all make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from featdsl.errors import InputError
from model_sync.layer_file import Ids, Rows, layer_chunks
from model_sync.table_stack import Chunk, Layer, TableEntry, TableState, joined
from model_sync.tiers import Merge, ToldTable, merged

MOST_LAYERS = 64


class Change(Protocol):
    """What became of a table since others were last told: see `featdsl.torch.embedding_table.TableChange`."""

    @property
    def ids(self) -> Ids: ...
    @property
    def rows(self) -> Rows: ...
    @property
    def deleted(self) -> Ids: ...
    @property
    def after(self) -> TableState: ...
    @property
    def whole(self) -> bool: ...


class Table(ToldTable, Protocol):
    """What is published of a `featdsl.torch.EmbeddingTable`."""

    name: str
    width: int

    def __len__(self) -> int: ...
    def touched(self) -> int: ...
    def change(self, *, all_rows: bool = False, most_rows: int | None = None) -> Any: ...
    def published(self, change: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Share:
    """By table: what is told of it, and the layer of it. `whole`: the tables all of whose rows it has. `merges`: what
    may take the place of layers below."""

    layers: Mapping[str, Layer]
    whole: frozenset[str]
    changes: Mapping[str, Change] = field(default_factory=dict)
    merges: Mapping[str, Merge] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "whole": sorted(self.whole),
            "layers": {name: layer.to_json() for name, layer in self.layers.items()},
            "merges": {name: merge.to_json() for name, merge in self.merges.items()},
        }

    @staticmethod
    def from_json(data: Any) -> Share:
        """Errors: `ValueError`, `KeyError` or `TypeError` for anything that `to_json` does not write."""
        layers = {str(name): Layer.from_json(layer) for name, layer in data["layers"].items()}
        merges = {str(name): Merge.from_json(merge) for name, merge in data["merges"].items()}
        return Share(layers, frozenset(map(str, data["whole"])), merges=merges)


def share_of(
    tables: Iterable[Table],
    whole: frozenset[str],
    put_chunk: Callable[[bytes], Chunk],
    most_rows: int | None = None,
    merges: Mapping[str, Merge] | None = None,
) -> Share:
    """What there is to tell, its chunks put: all rows of tables that are named, else what has changed, or of that
    `most_rows` at most. Errors: `InputError` for a row that is not finite."""
    changes, layers = {}, {}
    for table in tables:
        change = table.change(all_rows=table.name in whole, most_rows=most_rows)
        deleted = change.deleted[:0] if change.whole else change.deleted
        try:
            chunks = [put_chunk(data) for data in layer_chunks(change.ids, change.rows, deleted)]
        except ValueError as fault:
            raise InputError(
                f"the table {table.name} is not published: {fault}",
                help="no server would take it; go back to a checkpoint, or lower the learning rate",
            ) from fault
        changes[table.name] = change
        layers[table.name] = Layer(len(change.ids), len(deleted), tuple(chunks), change.after)
    return Share(layers, whole & changes.keys(), changes, merges or {})


def needs_anchor(
    entry: TableEntry | None, table: Table, most_rows: int | None = None, processes: int = 1
) -> bool:
    """Whether the next layer of a table has all its rows: nobody has a stack to add to; more than half has changed; or
    the stack has got so high, or holds so many rows more than the table, that whoever starts with it does far more
    than reading it all again (`Tiers` keeps it from that, where it can). `processes` have a part of the table each,
    about as large as this one's."""
    if entry is None:
        return True
    changed = table.touched()
    sent = processes * (changed if most_rows is None else min(changed, most_rows))
    above = sum(layer.rows + layer.deleted for layer in entry.layers[1:])
    rows = processes * len(table)
    return sent > 0 and (2 * sent > rows or above + sent > 2 * rows or len(entry.layers) >= MOST_LAYERS)


def stacked(
    entry: TableEntry | None, width: int, layers: Sequence[Layer], merges: Sequence[Merge | None], whole: bool
) -> TableEntry:
    """A table after the layers that the processes of a job have for it, each of other ids."""
    layer = joined(layers)
    if entry is None or whole:
        return TableEntry(width, (layer,))
    if not layer.rows and not layer.deleted:
        return entry
    return TableEntry(width, (*merged(entry, merges).layers, layer))

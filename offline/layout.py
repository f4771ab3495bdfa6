"""The files of a data set: what columns there are, and what their metadata says.

Each file is Parquet with a column a key (named as the entity), `time` (if the samples have one), a column a
label, and a column a model input or feature: numbers in their declared type, vectors as fixed-size lists. A
key, time or label whose name is taken by an output or a source gets a `_` at its end. The schema's metadata:

    featdsl.fingerprint   the program's, 64 hex digits
    featdsl.set           `model/<name>` or `features`
    featdsl.columns       JSON: {"keys": {entity: column}, "time": column or null, "labels": {label: column},
                          "outputs": [column, …]}
    featdsl.tensors       JSON, of a model: [{"name", "dtype", "shape", "per_request"}, …]
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from compiler.arrow_types import arrow_type
from compiler.bundle import Bundle
from featdsl.types import Type

TIME = "time"


@dataclass(frozen=True, slots=True)
class Layout:
    """`keys` and `labels`: column and type by entity or label. `time`: its column, or None."""

    keys: dict[str, tuple[str, Type]]
    time: str | None
    labels: dict[str, tuple[str, Type]]
    outputs: dict[str, Type]

    @property
    def kept(self) -> list[str]:
        """The columns beside the outputs, in order."""
        keys = [name for name, _ in self.keys.values()]
        return [*keys, *([self.time] if self.time else []), *(name for name, _ in self.labels.values())]

    def schema(self, bundle: Bundle, set_name: str) -> pa.Schema:
        fields = [pa.field(name, arrow_type(type), False) for name, type in self.keys.values()]
        if self.time:
            fields.append(pa.field(self.time, pa.timestamp("us", "UTC"), False))
        fields += [pa.field(name, arrow_type(type)) for name, type in self.labels.values()]
        fields += [pa.field(name, arrow_type(type), False) for name, type in self.outputs.items()]
        return pa.schema(fields, metadata=self._metadata(bundle, set_name))

    def _metadata(self, bundle: Bundle, set_name: str) -> dict[str, str]:
        columns: dict[str, Any] = {
            "keys": {entity: name for entity, (name, _) in self.keys.items()},
            "time": self.time,
            "labels": {label: name for label, (name, _) in self.labels.items()},
            "outputs": list(self.outputs),
        }
        metadata = {
            "featdsl.fingerprint": bundle.fingerprint,
            "featdsl.set": set_name,
            "featdsl.columns": json.dumps(columns),
        }
        if set_name != "features":
            tensors = [
                {"name": t.name, "dtype": t.dtype, "shape": t.shape, "per_request": t.per_request}
                for t in bundle.model(set_name.removeprefix("model/")).inputs
            ]
            metadata["featdsl.tensors"] = json.dumps(tensors)
        return metadata


def layout_of(
    bundle: Bundle, set_name: str, keys: list[str], timed: bool, labels: Mapping[str, Type]
) -> Layout:
    """The layout of a program set's data, with these entities' keys and these labels (and their types)."""
    outputs = {n: r.type for n, r in bundle.outputs(set_name).items() if r.stage != "after"}
    taken = {*outputs, *(source.name for source in bundle.schema.sources), "request", "candidate"}

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    columns = {entity: (free(entity), bundle.schema.entity(entity).type) for entity in keys}
    taken |= {entity.name for entity in bundle.schema.entities}
    return Layout(
        columns,
        free(TIME) if timed else None,
        {label: (free(label), type) for label, type in labels.items()},
        outputs,
    )

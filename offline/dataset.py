"""`feat dataset`: training data from a sample log, as of each sample's time, or from rows already joined."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyspark.sql import functions

from compiler.bundle import Bundle
from compiler.inputs import in_reading_order, inputs_read, needed_fields, with_keys
from compiler.spark.sql import column
from compiler.spark.transform import plan_set, transform
from featdsl.program import Field, Sequence
from offline.choose import REPORT, may_write
from offline.failures import run_job
from offline.folds import has_folds, out_of_fold, sample_number, with_sample_numbers
from offline.layout import Layout
from offline.lookup import Lookup
from offline.parts import FLAGS, PartWriter, write_parts
from offline.shipped import packed

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Say = Callable[[str], None]


_NO_TIME = (
    "the rows have no column `time`, so the folds of target means are those of the keys alone: "
    "a row's label is in its own feature, unless `feat fit` learned from samples without a time",
    "add a column `time` (a timestamp: the sample's), or take the means of all samples with --as-served",
)


@dataclass(frozen=True, slots=True)
class JoinedRows:
    """Rows ready for a program: a struct column a source, `request` and `candidate`, and the columns of `layout`
    but for the outputs. `order`: the columns to sort the data by; none: as it comes. `late`: sources whose rows are
    still to be looked up. `given`: they were joined elsewhere, so that it is not known what their samples had."""

    df: DataFrame
    layout: Layout
    order: tuple[str, ...]
    late: tuple[Lookup, ...] = ()
    given: bool = False

    def whole(self) -> DataFrame:
        """The rows with all sources."""
        df = self.df.withColumns({lookup.name: lookup.column(self.df) for lookup in self.late})
        return df.drop(*(lookup.key for lookup in self.late))


@dataclass(frozen=True, slots=True)
class Report:
    """What was made. `sources`: rows that were missing, by source (but for those keyed by a list). `fields`: by field,
    how often it was null in a row that was there (it read as its default, or as null). `labels`: how often a label was
    null. `nonfinite`: outputs that were not finite and became 0 (None: not counted by this engine). `warnings`: what is
    doubtful, with a way out."""

    folder: str
    set_name: str
    fingerprint: str
    engine: str
    rows: int
    sources: dict[str, int] = field(default_factory=dict)
    fields: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    nonfinite: int | None = None
    plan: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()

    def as_data(self) -> dict[str, Any]:
        return {
            "set": self.set_name,
            "fingerprint": self.fingerprint,
            "engine": self.engine,
            "rows": self.rows,
            "missing_rows": self.sources,
            "null_fields": self.fields,
            "null_labels": self.labels,
            "nonfinite_outputs": self.nonfinite,
            "plan": list(self.plan),
            "files": list(self.files),
            "warnings": [{"message": message, "help": help} for message, help in self.warnings],
        }


def write_dataset(
    bundle: Bundle,
    set_name: str,
    joined: JoinedRows,
    out: str | Path,
    *,
    engine: str = "native",
    overwrite: bool = False,
    as_served: bool = False,
    say: Say = lambda line: None,
) -> Report:
    """Runs a program set on joined rows and writes the data set to the folder `out` (see
    `offline/layout.py`) with a report beside the files. It is written aside and then renamed.

    A target mean is that of all but the row's own fold (see `offline/folds.py`), unless the data is to be
    `as_served`.

    Errors: `InputError` where `out` is already there and not to be overwritten, or rows cannot be read.
    """
    target = may_write(out, overwrite)
    aside = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    schema = joined.layout.schema(bundle, set_name)
    late = joined.late if engine == "native" else ()
    df = joined.df if late else joined.whole()
    flags = _flags(bundle, set_name, joined.layout, df, late)
    df = df.withColumn(FLAGS, functions.expr(_flag_array(list(flags.values()))))
    running = bundle
    plan: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    if not as_served and has_folds(bundle, set_name):
        entities = tuple(entity.name for entity in bundle.schema.entities)
        df = with_sample_numbers(df, sample_number(joined.layout, entities))
        running = out_of_fold(bundle)
        plan = ("target means leave out the fold of the row",)
        if joined.given and joined.layout.time is None:
            plan = ("target means leave out the fold of the row, which is that of its keys alone",)
            warnings = (_NO_TIME,)
    kept = list(dict.fromkeys([*joined.layout.kept, FLAGS, *joined.order]))
    if engine == "spark":
        plan += tuple(plan_set(running, set_name).describe())
        df = transform(running, set_name, df, kept)
    if joined.order:
        df = df.orderBy(*(column(name) for name in joined.order))
    program = packed(running) if engine == "native" else None
    looked_up = {one.name for one in late}
    counted_late = tuple(
        (i, name)
        for i, (kind, name) in enumerate(flags)
        if kind != "label" and name.partition(".")[0] in looked_up
    )
    writer = PartWriter(
        str(aside), schema.serialize().to_pybytes(), len(flags), program, set_name, late, counted_late
    )
    aside.mkdir(parents=True)
    try:
        say(f"writing {set_name} with the {engine} engine")
        parts = run_job(lambda: write_parts(df, writer))
        if not parts:
            pq.write_table(schema.empty_table(), aside / "part-00000.parquet")
        report = _report(bundle, set_name, target, engine, parts, list(flags), plan, warnings)
        (aside / REPORT).write_text(json.dumps(report.as_data(), indent=1) + "\n", encoding="utf-8")
        _put_in_place(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return report


def fields_to_read(bundle: Bundle, set_name: str) -> dict[str, tuple[Field | Sequence, ...]]:
    """The fields that a set reads (and those that hold keys), by source, `request` and `candidate`; each source
    after the one that holds its key. What `keep` and `score` read is among them: the set's stages prepare it."""
    inputs = with_keys(bundle.schema, inputs_read(r.node for r in bundle.outputs(set_name).values()))
    parts: dict[str, tuple[Field | Sequence, ...]] = {
        "request": bundle.schema.request,
        "candidate": bundle.schema.candidate,
        **{source.name: source.fields for source in in_reading_order(bundle.schema.sources)},
    }
    needed = {name: needed_fields(name, fields, inputs) for name, fields in parts.items()}
    return {name: fields for name, fields in needed.items() if fields}


# --- the report --------------------------------------------------------------------------------


def _flags(
    bundle: Bundle, set_name: str, layout: Layout, df: DataFrame, late: tuple[Lookup, ...]
) -> dict[tuple[str, str], str]:
    """What is counted, by kind and name: SQL that is true for a row that counts. What is `late` is counted where it is
    looked up."""
    flags: dict[tuple[str, str], str] = {}
    types = {f.name: f.dataType for f in df.schema.fields} | {one.name: one.type_in(df) for one in late}
    for name, fields in fields_to_read(bundle, set_name).items():
        if name not in types:
            flags["source", name] = "true"
            continue
        given = types[name]
        if name not in ("request", "candidate") and hasattr(given, "names"):
            flags["source", name] = f"{column(name)} is null"
        for f in fields:
            if f.name in getattr(given, "names", ()):
                at = f"{column(name)}.{column(f.name)}"
                flags["field", f"{name}.{f.name}"] = f"{column(name)} is not null and {at} is null"
    for label, (name, _) in layout.labels.items():
        flags["label", label] = f"{column(name)} is null"
    names = {one.name for one in late}
    return {
        (kind, name): "false" if kind != "label" and name.partition(".")[0] in names else sql
        for (kind, name), sql in flags.items()
    }


def _flag_array(flags: list[str]) -> str:
    return f"array({', '.join(flags)})" if flags else "cast(array() as array<boolean>)"


def _report(
    bundle: Bundle,
    set_name: str,
    target: Path,
    engine: str,
    parts: list[Any],
    flags: list[tuple[str, str]],
    plan: tuple[str, ...],
    warnings: tuple[tuple[str, str], ...],
) -> Report:
    counts = [sum(part.flags[i] for part in parts) for i in range(len(flags))]

    def counted(kind: str) -> dict[str, int]:
        return {name: n for (of, name), n in zip(flags, counts, strict=True) if of == kind}

    return Report(
        str(target),
        set_name,
        bundle.fingerprint,
        engine,
        sum(part.num_rows for part in parts),
        counted("source"),
        counted("field"),
        counted("label"),
        sum(part.nonfinite for part in parts) if engine == "native" else None,
        plan,
        tuple(part.file for part in parts) or ("part-00000.parquet",),
        warnings,
    )


# --- files ------------------------------------------------------------------------


def _put_in_place(aside: Path, target: Path) -> None:
    if target.exists():
        old = target.parent / f".{target.name}.{secrets.token_hex(4)}"
        os.replace(target, old)
        os.replace(aside, target)
        shutil.rmtree(old)
    else:
        os.replace(aside, target)

"""`feat.toml`: where the data of a program lies. Documented for people in `docs/feat_toml.md`.

Reading it imports nothing heavy. Every error names the file and the key, and says what could stand there.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featdsl.errors import InputError

FORMATS = ("parquet", "csv", "json", "table")
UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds in one unit; `ns` divides by 1,000 instead."""

_TOP = {
    "variables",
    "project",
    "sources",
    "samples",
    "store",
    "registry",
    "model_server",
    "serve",
    "spark",
}
_STORE_URLS = "lmdb://store or redis://localhost:6379/0"
_REGISTRY_URLS = "dir://folder, redis://localhost:6379/0?registry=name or s3://bucket/prefix"
_TABLE_KEYS = {"path", "table", "format", "options"}
_SOURCE_KEYS = _TABLE_KEYS | {"key", "time", "time_unit", "delay", "tie_break", "columns"}
_SAMPLES_KEYS = _TABLE_KEYS | {"keys", "time", "time_unit", "labels", "request", "candidate"}
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_DURATION = re.compile(r"(\d+)\s*(us|ms|s|m|h|d)?")
_DURATION_US = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}


@dataclass(frozen=True, slots=True)
class Table:
    """A data set: `location` is a path (a file, a folder or a glob) or, for format `table`, a catalog name.
    `options` go to Spark's reader."""

    location: str
    format: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """The column that a field is read from. `unit` (s, ms, us, ns) says what an integer counts where the
    field is a timestamp; without it, microseconds."""

    column: str
    unit: str = "us"


Columns = Mapping[str, "ColumnRef | Columns"]
"""Columns by field; a sequence may have columns by its members instead."""


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """`unit` is ignored for timestamp columns."""

    column: str
    unit: str = "us"


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Rows of one source. A row holds from `time` + `delay_us` on; without `time`, always. `tie_break`: of
    rows of one key and time the greatest by this column holds."""

    name: str
    table: Table
    key: str
    time: TimeColumn | None = None
    delay_us: int = 0
    tie_break: str | None = None
    columns: Columns = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SamplesConfig:
    """The sample log. `keys`, `labels`, `request`, `candidate`: column by entity, label or field name; what
    is not named is read from the column of its own name."""

    table: Table
    time: TimeColumn | None = None
    keys: Columns = field(default_factory=dict)
    labels: Columns = field(default_factory=dict)
    request: Columns = field(default_factory=dict)
    candidate: Columns = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """A whole `feat.toml`; paths are absolute. `serve`: options of `feat serve`, not looked at yet. `spark`: Spark's
    own settings, `master` among them."""

    file: Path
    program: Path
    model: str | None
    sources: Mapping[str, SourceConfig]
    samples: SamplesConfig | None
    store: str | None
    registry: str | None
    model_server: str | None
    spark: Mapping[str, str]
    serve: Mapping[str, str | bool] = field(default_factory=dict)


def read_config(path: str | Path, variables: Mapping[str, str] | None = None) -> Config:
    """Reads a `feat.toml`. `${NAME}` stands for `variables[NAME]`, else the environment's, else the one of
    the file's `[variables]`. Errors: `InputError` with file and key."""
    file = Path(path).absolute()
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no such file: {path}", help="name one with --config FILE") from None
    except IsADirectoryError:
        raise InputError(f"this is a folder: {path}", help="name the feat.toml in it") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: this is not TOML: {error}") from None
    return _Reader(file, variables or {}).config(data)


class _Reader:
    """Checks one file's data; `key` is always the dotted path of what is looked at."""

    def __init__(self, file: Path, variables: Mapping[str, str]) -> None:
        self._file = file
        self._variables: dict[str, str] = dict(variables)

    def config(self, data: dict[str, Any]) -> Config:
        self._known("", data, _TOP)
        for name, value in self._section("variables", data.get("variables", {})).items():
            if name not in self._variables:
                self._variables[name] = os.environ.get(name) or self._text(f"variables.{name}", value)
        project = self._section("project", self._needed("project", data, "project"))
        self._known("project", project, {"program", "model"})
        sources = self._section("sources", data.get("sources", {}))
        store = self._section("store", data.get("store", {}))
        self._known("store", store, {"url"})
        registry = self._section("registry", data.get("registry", {}))
        self._known("registry", registry, {"url"})
        model_server = self._section("model_server", data.get("model_server", {}))
        self._known("model_server", model_server, {"url"})
        samples = data.get("samples")
        model = project.get("model")
        return Config(
            file=self._file,
            program=self._path("project.program", self._needed("program", project, "project.program")),
            model=None if model is None else self._text("project.model", model),
            sources={name: self._source(name, value) for name, value in sources.items()},
            samples=None if samples is None else self._samples(self._section("samples", samples)),
            store=self._url("store.url", store["url"], _STORE_URLS) if "url" in store else None,
            registry=self._url("registry.url", registry["url"], _REGISTRY_URLS)
            if "url" in registry
            else None,
            model_server=self._text("model_server.url", model_server["url"])
            if "url" in model_server
            else None,
            spark=self._settings("spark", data.get("spark", {})),
            serve=self._serve(self._section("serve", data.get("serve", {}))),
        )

    def _serve(self, given: dict[str, Any]) -> dict[str, str | bool]:
        for name, value in given.items():
            if not isinstance(value, int | float | str):
                raise self._error(f"serve.{name}", f"is no number and no text: {value!r}")
        return {
            name: value if isinstance(value, bool) else self._text(f"serve.{name}", str(value))
            for name, value in given.items()
        }

    def _source(self, name: str, value: Any) -> SourceConfig:
        at = f"sources.{name}"
        given = self._section(at, value)
        self._known(at, given, _SOURCE_KEYS)
        time = self._time(at, given)
        if time is None:
            for key in ("delay", "tie_break"):
                if key in given:
                    raise self._error(f"{at}.{key}", "means nothing without `time`", "name the time column")
        tie_break = given.get("tie_break")
        return SourceConfig(
            name=name,
            table=self._table(at, given),
            key=self._text(f"{at}.key", self._needed("key", given, f"{at}.key")),
            time=time,
            delay_us=self._duration(f"{at}.delay", given.get("delay", 0)),
            tie_break=None if tie_break is None else self._text(f"{at}.tie_break", tie_break),
            columns=self._columns(f"{at}.columns", given.get("columns", {})),
        )

    def _samples(self, given: dict[str, Any]) -> SamplesConfig:
        self._known("samples", given, _SAMPLES_KEYS)
        parts = {
            k: self._columns(f"samples.{k}", given.get(k, {}))
            for k in ("keys", "labels", "request", "candidate")
        }
        return SamplesConfig(self._table("samples", given), self._time("samples", given), **parts)

    def _table(self, at: str, given: dict[str, Any]) -> Table:
        options = self._settings(f"{at}.options", given.get("options", {}))
        if ("path" in given) == ("table" in given):
            raise self._error(at, "needs one of `path` and `table`", "a file or folder, or a catalog's table")
        if "table" in given:
            return Table(self._text(f"{at}.table", given["table"]), "table", options)
        location = self._path(f"{at}.path", given["path"])
        format = given.get("format")
        if format is None:
            suffix = location.name.removesuffix(".gz").rpartition(".")[2]
            format = {"jsonl": "json", "ndjson": "json", "tsv": "csv"}.get(suffix, suffix)
            if suffix == "tsv":
                options = {"sep": "\t", **options}
            format = format if format in FORMATS else "parquet"
        if format not in FORMATS or format == "table":
            raise self._error(f"{at}.format", f"is not a format: {format}", "one of parquet, csv, json")
        return Table(str(location), str(format), options)

    def _time(self, at: str, given: dict[str, Any]) -> TimeColumn | None:
        if "time" not in given:
            if "time_unit" in given:
                raise self._error(f"{at}.time_unit", "means nothing without `time`", "name the time column")
            return None
        unit = self._unit(f"{at}.time_unit", given.get("time_unit", "us"))
        return TimeColumn(self._text(f"{at}.time", given["time"]), unit)

    def _columns(self, at: str, value: Any) -> Columns:
        columns: dict[str, ColumnRef | Columns] = {}
        for name, spec in self._section(at, value).items():
            if (
                isinstance(spec, dict)
                and isinstance(spec.get("column"), str)
                and spec.keys() <= {"column", "unit"}
            ):
                unit = self._unit(f"{at}.{name}.unit", spec.get("unit", "us"))
                columns[name] = ColumnRef(self._text(f"{at}.{name}.column", spec["column"]), unit)
            elif isinstance(spec, dict):
                columns[name] = self._columns(f"{at}.{name}", spec)
            else:
                columns[name] = ColumnRef(self._text(f"{at}.{name}", spec))
        return columns

    def _unit(self, at: str, value: Any) -> str:
        unit = self._text(at, value)
        if unit != "ns" and unit not in UNITS:
            raise self._error(at, f"is not a unit of time: {unit}", "one of s, ms, us, ns")
        return unit

    def _duration(self, at: str, value: Any) -> int:
        found = _DURATION.fullmatch(str(value)) if isinstance(value, int | str) else None
        if found is None or isinstance(value, bool):
            raise self._error(at, f"is not a duration: {value}", 'seconds, or text such as "90m", "1h", "2d"')
        return int(found[1]) * _DURATION_US[found[2] or "s"]

    def _settings(self, at: str, value: Any) -> dict[str, str]:
        """Dotted keys (`driver.memory`) come as nested tables; a bool is written as Spark reads it."""
        settings: dict[str, str] = {}
        for name, setting in self._section(at, value).items():
            if isinstance(setting, dict):
                nested = self._settings(f"{at}.{name}", setting)
                settings |= {f"{name}.{key}": text for key, text in nested.items()}
            elif isinstance(setting, bool):
                settings[name] = str(setting).lower()
            else:
                settings[name] = self._text(f"{at}.{name}", str(setting))
        return settings

    # --- the smallest pieces -------------------------------------------------------------------

    def _section(self, at: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._error(at, f"is not a table: {value!r}", f"write it under [{at}]")
        return value

    def _needed(self, key: str, given: dict[str, Any], at: str) -> Any:
        if key not in given:
            raise self._error(at, "is missing")
        return given[key]

    def _text(self, at: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self._error(at, f"is not a string: {value!r}", "put it in quotes")
        return _VARIABLE.sub(lambda found: self._variable(at, found[1]), value)

    def _variable(self, at: str, name: str) -> str:
        found = self._variables.get(name) or os.environ.get(name)
        if found is None:
            raise self._error(at, f"names a variable that is not set: {name}", f"give it: --set {name}=VALUE")
        return found

    def _path(self, at: str, value: Any) -> Path:
        text = self._text(at, value)
        if not text:
            raise self._error(at, "is empty")
        return Path(os.path.normpath(self._file.parent / Path(text).expanduser()))

    def _url(self, at: str, value: Any, examples: str) -> str:
        """A folder's path is relative to the file."""
        scheme, separator, rest = self._text(at, value).partition("://")
        if not separator:
            raise self._error(
                at, f"is not a {at.removesuffix('.url')}'s URL: {scheme}", f"such as {examples}"
            )
        if scheme in ("lmdb", "dir"):
            return f"{scheme}://{os.path.normpath(self._file.parent / rest)}"
        return f"{scheme}://{rest}"

    def _known(self, at: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
        names = sorted(known)
        for name in given:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                advice = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(names)}"
                raise self._error(f"{at}.{name}" if at else name, "is not known", advice)

    def _error(self, at: str, what: str, help: str = "") -> InputError:
        return InputError(f"{self._file.name}: `{at}` {what}", help=help)

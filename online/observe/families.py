"""Every metric of the server: its name, kind, labels and meaning. `docs/metrics/README.md` is made from it."""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """`kind`: `counter`, `gauge` or `histogram`. A counter's series end in `_total`."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


VERSION_FAMILIES = (
    Family("featdsl_model_version", "gauge", "The version that serves; 0 before the first.", ("model",)),
    Family(
        "featdsl_parameters_age_seconds",
        "gauge",
        "How long ago the version that serves was published.",
        ("model",),
    ),
    Family("featdsl_versions_loading", "gauge", "Versions that are being loaded.", ("model",)),
    Family("featdsl_versions_resident", "gauge", "Versions in memory, ready to be switched to.", ("model",)),
    Family("featdsl_version_switches", "counter", "How often another version began to serve.", ("model",)),
    Family("featdsl_versions_refused", "counter", "Loads that ended in a refusal.", ("model",)),
)

FAMILIES = (
    Family("featdsl_program", "gauge", "1, with what is served.", ("namespace", "model", "fingerprint")),
    Family(
        "featdsl_serving", "gauge", "1 while calls can be answered, else 0: what the health service tells."
    ),
    Family(
        "featdsl_calls",
        "counter",
        "Calls that ended, by outcome: OK, CANCELLED, or the reason of the error.",
        ("method", "outcome"),
    ),
    Family("featdsl_call_seconds", "histogram", "From a call's arrival to its answer.", ("method",)),
    Family(
        "featdsl_stage_seconds",
        "histogram",
        "Time of a call in a stage, its rounds added up; `queue` is the wait for its turn.",
        ("stage",),
    ),
    Family("featdsl_calls_waiting", "gauge", "Calls that wait for their turn."),
    Family(
        "featdsl_expected_wait_seconds", "gauge", "How long a call that came now would wait for its turn."
    ),
    Family(
        "featdsl_calls_turned_away",
        "counter",
        "Calls that never had their turn: refused when they came, late, or cancelled by their callers.",
        ("how",),
    ),
    Family("featdsl_call_items", "histogram", "Candidates a call that was answered."),
    Family("featdsl_distinct_items", "counter", "Distinct items of the calls that were answered."),
    Family(
        "featdsl_rows",
        "counter",
        "Rows that calls wanted, by what became of them: ok, missing, unreadable, store_down. "
        "All but ok read as the defaults of their fields.",
        ("source", "status"),
    ),
    Family("featdsl_calls_on_defaults", "counter", "Calls that were answered though the store was down."),
    Family("featdsl_nonfinite_outputs", "counter", "Outputs of the model that were no numbers.", ("output",)),
    Family("featdsl_store_trip_seconds", "histogram", "Time of a question to the store."),
    Family("featdsl_store_trip_keys", "histogram", "Keys a question to the store."),
    Family("featdsl_store_errors", "counter", "Questions that the store did not answer."),
    Family(
        "featdsl_item_cache_lookups",
        "counter",
        "Items that were looked up, by what was found: hit; miss; stale, a row had changed; expired.",
        ("result",),
    ),
    Family("featdsl_item_cache_hit_age_seconds", "counter", "The ages of all hits added up."),
    Family("featdsl_item_cache_inserted", "counter", "Items that were kept."),
    Family("featdsl_item_cache_evicted", "counter", "Items that had to make room."),
    Family(
        "featdsl_item_cache_drops", "counter", "How often everything of some sources was forgotten at once."
    ),
    Family(
        "featdsl_item_cache_trusted", "gauge", "1 while the store tells what changes; else nothing is found."
    ),
    Family("featdsl_item_cache_entries", "gauge", "Items that are kept now."),
    Family("featdsl_item_cache_bytes", "gauge", "Memory that they take, with their parts."),
    Family("featdsl_item_cache_limit_bytes", "gauge", "Memory that they may take."),
    Family(
        "featdsl_item_part_lookups",
        "counter",
        "Items whose parts for the model were looked up, with `--model-item-parts`: hit; miss, the model was asked.",
        ("result",),
    ),
    Family("featdsl_item_parts", "gauge", "Items' parts that are kept now, of all versions."),
    Family("featdsl_item_part_bytes", "gauge", "Memory that they take, of the item cache's."),
    Family(
        "featdsl_row_cache_lookups",
        "counter",
        "Rows that a request leads to by a field, which were looked up before the store was asked: hit, miss.",
        ("result",),
    ),
    Family("featdsl_row_cache_entries", "gauge", "Such rows that are kept now."),
    Family("featdsl_row_cache_bytes", "gauge", "Memory that they take."),
    *VERSION_FAMILIES,
)
"""In the order in which they are told. Those of the caches have no samples where there are none."""

MODEL_FAMILIES = (
    Family(
        "featdsl_model_calls",
        "counter",
        "Calls that ended, by the gRPC code that they ended with.",
        ("method", "code"),
    ),
    Family("featdsl_model_call_seconds", "histogram", "From a call's arrival to its answer.", ("method",)),
    Family("featdsl_model_call_rows", "histogram", "Candidates a prediction that was asked for."),
    Family(
        "featdsl_model_run_calls",
        "counter",
        "Predictions that a version's process has run, since it started.",
        ("version",),
    ),
    Family(
        "featdsl_model_runs",
        "counter",
        "Runs of the model that they took: fewer where calls that waited together were run as one.",
        ("version",),
    ),
    Family(
        "featdsl_model_late", "counter", "Predictions whose time was up before they were run.", ("version",)
    ),
    Family("featdsl_model_left", "counter", "Predictions whose caller had gone before.", ("version",)),
    Family(
        "featdsl_model_table_rows",
        "gauge",
        "Rows of the tables that lie beside a version's graph.",
        ("version",),
    ),
    Family(
        "featdsl_model_applied_rows",
        "gauge",
        "Rows that were written to make a version's tables of those that were there.",
        ("version",),
    ),
    Family(
        "featdsl_model_load_seconds",
        "gauge",
        "How long a version with such tables took to load.",
        ("version",),
    ),
    Family("featdsl_model_table_bytes", "gauge", "Memory that the tables of all versions take together."),
    *VERSION_FAMILIES,
)
"""Of `feat model-server`, in the order in which they are told."""

BY_NAME = {family.name: family for family in (*FAMILIES, *MODEL_FAMILIES)}

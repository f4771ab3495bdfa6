"""The vectorized engine (C++20). What is here is described in `_engine.pyi`."""

try:
    from engine._engine import (
        Batch,
        EngineError,
        IdIndex,
        ItemCache,
        ItemColumns,
        ItemLookup,
        ItemTable,
        Keys,
        Program,
        RowReader,
        RowReading,
        Snapshot,
        SnapshotTable,
        StoredRows,
        kernels,
        request_keys,
        row_sums,
        simd,
    )
except ImportError as error:
    raise ImportError(
        f"the engine is not built for this Python: run `make setup` at the root of the repository ({error})"
    ) from error

__all__ = [
    "Batch",
    "EngineError",
    "IdIndex",
    "ItemCache",
    "ItemColumns",
    "ItemLookup",
    "ItemTable",
    "Keys",
    "Program",
    "RowReader",
    "RowReading",
    "Snapshot",
    "SnapshotTable",
    "StoredRows",
    "kernels",
    "request_keys",
    "row_sums",
    "simd",
]

"""The settings of a Spark session that the backend's bits and plans depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featdsl.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXACT = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.sql.subexpressionElimination.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.optimizer.excludedRules": "org.apache.spark.sql.catalyst.optimizer.CollapseProject",
}
"""
- without ANSI mode integers wrap, and a division by zero is null;
- subexpression elimination takes (a + b) + c and a + (b + c) for one, which are two in floating point;
- generated code for a whole stage of many lists outgrows what the JIT compiles, and is ten times slower then;
- the backend decides which nodes are columns of their own (`compiler/spark/plan.py`): collapsed again, they
  make expressions that are exponential in the depth of the program.
"""


def require_exact(session: SparkSession) -> None:
    """Errors: `InputError` when `session` has another setting than the backend needs."""
    for key, wanted in EXACT.items():
        found = session.conf.get(key, None)
        if found != wanted:
            raise InputError(
                f"the Spark setting `{key}` must be {wanted}: {found or 'not set'}",
                help="take the session from offline.session.open_session",
            )

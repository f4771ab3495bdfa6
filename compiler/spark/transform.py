"""Running a program set as Spark columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions

from compiler.spark.engine_nodes import engine_column
from compiler.spark.plan import EngineNode, SparkPlan, plan, references
from compiler.spark.read import read_inputs
from compiler.spark.settings import require_exact
from compiler.spark.sql import column

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from compiler.bundle import Bundle


def plan_set(bundle: Bundle, set_name: str) -> SparkPlan:
    """The plan of a program set, without what needs a model's outputs (`keep` and `score`)."""
    roots = {name: root for name, root in bundle.outputs(set_name).items() if root.stage != "after"}
    return plan(roots)


def transform(bundle: Bundle, set_name: str, df: DataFrame, keep: Sequence[str] = ()) -> DataFrame:
    """The columns that a program set makes, one row a joined row of `df` (see ARCHITECTURE.md, "Joined rows"),
    after the columns of `df` named in `keep`. The session needs the settings of
    `compiler.spark.settings.EXACT`.

    Errors: `InputError` for a session without these settings, and for a column of another type than the
    program's; rows that break the input rules fail the job.
    """
    require_exact(df.sparkSession)
    spark_plan = plan_set(bundle, set_name)
    read = read_inputs(bundle.schema, df.schema, dict.fromkeys(spark_plan.inputs.values()))
    kept = [functions.col(column(name)) for name in keep]
    for rows in (read.sequences, read.lists):
        if rows:
            df = df.select("*", *(functions.expr(sql).alias(name) for name, sql in rows.items()))
    df = df.select(
        *kept,
        *(
            functions.expr(read.inputs[name]).alias(f"${number}")
            for number, name in spark_plan.inputs.items()
        ),
    )
    held = set(spark_plan.inputs)
    wanted = _needed_after(spark_plan)
    for layer, needed in zip(spark_plan.layers, wanted, strict=True):
        carried = [functions.col(column(f"${number}")) for number in sorted(held & needed)]
        made = [_made(number, value) for number, value in layer.items()]
        df = df.select(*kept, *carried, *made)
        held = (held & needed) | set(layer)
    return df.select(*kept, *(functions.expr(sql).alias(name) for name, sql in spark_plan.outputs.items()))


def _made(number: int, value: str | EngineNode) -> Column:
    if isinstance(value, EngineNode):
        return engine_column(value.node)
    return functions.expr(value).alias(f"${number}")


def _needed_after(spark_plan: SparkPlan) -> list[set[int]]:
    """For each layer the columns that a later one or an output reads."""
    needed: set[int] = set().union(*map(references, spark_plan.outputs.values()))
    after = []
    for layer in reversed(spark_plan.layers):
        after.append(set(needed))
        needed |= set().union(*map(references, layer.values()))
    return after[::-1]

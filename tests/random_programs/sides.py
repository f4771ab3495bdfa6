"""A random program through every side that needs no Spark, and what they disagree on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from compiler.bundle import Bundle, compile_program
from compiler.native.rows import run_rows
from compiler.reference.arrow_values import python_values
from compiler.reference.run import Evaluator, read_inputs
from compiler.reference.run import RowRunner as Reference
from compiler.reference.store import stored_column
from tests.conformance.bits import differing_rows
from tests.conformance.layouts import sliced
from tests.conformance.one_call import RunningCall
from tests.conformance.programs import exact
from tests.conformance.tree import run_tree
from tests.random_programs.programs import Program
from tests.random_programs.values import Call, joined


def disagreements(program: Program) -> list[str]:
    """What the typed tree, the engine on joined rows and on a call's stages give that the reference does not."""
    checked = program.checked()
    bundle = compile_program(checked)
    found: list[str] = []
    for call in program.calls:
        rows = joined(call, program.inputs)
        tree = run_tree(checked, rows)
        for set_name in bundle.sets:
            runner = Reference(bundle, set_name)
            wanted = pa.Table.from_batches([runner.run(rows.combine_chunks().to_batches()[0])])
            others = {
                "engine": run_rows(bundle, set_name, rows),
                "engine, sliced rows": run_rows(bundle, set_name, sliced(rows.to_batches()[0])),
                "engine, a call": RunningCall(bundle, set_name, rows, len(call.items)).run(),
            }
            if set_name == "features":
                others["tree"] = pa.table(
                    [stored_column(tree[n], bundle.features[n])[0] for n in tree], wanted.schema
                )
            for side, got in others.items():
                found += _differences(f"{side}, {set_name}", got, wanted, rows)
        if program.outputs is not None:
            found += _after(bundle, program, rows, call)
    return found


def _differences(side: str, got: pa.Table, wanted: pa.Table, rows: pa.Table) -> list[str]:
    found = []
    for name in wanted.column_names:
        left, right = got.column(name).combine_chunks(), wanted.column(name).combine_chunks()
        for row in differing_rows(left, right)[:1]:
            place = f"for {rows.slice(row, 1).to_pylist()[0]!r}" if row >= 0 else f"of type {left.type}"
            found.append(f"{side}: {name} is {_shown(left, row)}, not {_shown(right, row)} {place}")
    return found


def _shown(column: pa.Array, row: int) -> str:
    try:
        return repr(column[row].as_py())
    except (OverflowError, ValueError):  # a time that Python's datetime does not reach
        return repr(python_values(column.slice(max(row, 0), 1))[0])


def _after(bundle: Bundle, program: Program, rows: pa.Table, call: Call) -> list[str]:
    """`keep` and `score`, from the stages of a call and by the reference."""
    set_name = "model/ranker"
    running = RunningCall(bundle, set_name, rows, len(call.items))
    model = bundle.model("ranker")
    given = {
        name: np.array(values[: rows.num_rows], np.float64)
        for name, values in (program.outputs or {}).items()
    }
    given["like"] = given["like"].astype(np.float32)
    made = running.stages.after(running.stages.compute(running.inputs), running.inputs, model, given)
    roots = {name: root for name, root in bundle.outputs(set_name).items() if root.stage == "after"}
    evaluator = Evaluator(roots)
    found = []
    inputs = read_inputs(rows.combine_chunks().to_batches()[0], Reference(bundle, set_name).plan)
    for row, one in enumerate(inputs):
        answers = {f"output.{name}": float(values[row]) for name, values in given.items()}
        wanted = evaluator.evaluate({**one, **answers})
        for name, root in roots.items():
            right = stored_column([wanted[name]], root.type)[0][0].as_py()
            left = made[name].tolist()[row]
            if exact(left) != exact(right):
                found.append(
                    f"a call's {name} is {left!r}, not {right!r} for {answers} {rows.slice(row, 1).to_pylist()}"
                )
    return found


def script(program: Program) -> str:
    """The program and its calls as Python that runs them again."""
    return "\n".join(
        [
            "from tests.random_programs.programs import Program",
            "from tests.random_programs.sides import disagreements",
            "from tests.random_programs.values import Call",
            'nan, inf = float("nan"), float("inf")',
            f"program = {program!r}",
            'print(program.text, *disagreements(program), sep="\\n")',
        ]
    )

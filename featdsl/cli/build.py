"""`feat build`: compiles a .feat file into a bundle."""

from __future__ import annotations

import argparse
import gc
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.bundle import Bundle, TensorSignature

SUMMARY = "Compiles a .feat file into a bundle: all that training and scoring need, and its fingerprint."


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .feat file")
    parser.add_argument(
        "-o", "--out", required=True, metavar="PATH", help="where to write: a folder, or one file PATH.featb"
    )
    parser.add_argument("--json", action="store_true", help="print what was built (or the mistakes) as JSON")
    parser.epilog = "example:\n  feat build examples/movies/movies.feat -o movies.featb"


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when the program has mistakes; then nothing is written."""
    from compiler.bundle import compile_program, write_bundle
    from featdsl.cli.program import checked_program

    gc.disable()  # a large program is many objects that all live to the end; to look for garbage among them takes half
    program = checked_program(args.file, as_json=args.json)
    if program is None:
        return 1
    bundle = compile_program(program)
    write_bundle(bundle, args.out)
    if args.json:
        print(json.dumps(summary(bundle) | {"path": args.out}, ensure_ascii=False))
    else:
        print(_as_text(bundle, args.out))
    return 0


def summary(bundle: Bundle) -> dict[str, object]:
    """What a bundle holds, as plain data."""
    return {
        "namespace": bundle.schema.namespace,
        "fingerprint": bundle.fingerprint,
        "features": {name: str(type) for name, type in bundle.features.items()},
        "models": {
            model.name: {
                "inputs": [
                    {"name": t.name, "dtype": t.dtype, "shape": list(t.shape), "per_request": t.per_request}
                    for t in model.inputs
                ],
                "labels": {column.name: str(column.type) for column in model.labels},
                "outputs": {column.name: str(column.type) for column in model.outputs},
                "keep": model.has_keep,
                "score": model.has_score,
            }
            for model in bundle.models.values()
        },
    }


def _as_text(bundle: Bundle, path: str) -> str:
    lines = [f"wrote {path}", f"fingerprint {bundle.fingerprint}"]
    if bundle.features:
        lines += ["", _count(len(bundle.features), "feature")]
        width = max(map(len, bundle.features))
        lines += [f"  {name:<{width}}  {type}" for name, type in bundle.features.items()]
    for model in bundle.models.values():
        lines += ["", f"model {model.name}"]
        rows = [(t.name, t.dtype, shape_text(t)) for t in model.inputs]
        rows += [(c.name, str(c.type), "label") for c in model.labels]
        rows += [(c.name, str(c.type), "output") for c in model.outputs]
        rows += [(name, "", "after") for name in ("keep",) if model.has_keep]
        rows += [(name, "", "after") for name in ("score",) if model.has_score]
        wide, type_width = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
        lines += [f"  {name:<{wide}}  {dtype:<{type_width}}  {note}" for name, dtype, note in rows]
    return "\n".join(lines)


def shape_text(tensor: TensorSignature) -> str:
    """`[n, 4]`; `[1]` for a tensor that is sent once a call."""
    return f"[{', '.join('n' if size is None else str(size) for size in tensor.shape)}]"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

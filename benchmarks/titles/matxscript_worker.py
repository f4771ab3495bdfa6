"""The process of matxscript, which wants another numpy than ours: `benchmarks.titles.matxscript_peer` starts it.

Reads a line of JSON with the vocabulary, the calls and the width, then a line a request, and answers each with a line:
`{"form": …, "call": n}` with that call's ids, `{"form": …, "seconds": s}` with the processor seconds of its calls.
"""

import json
import sys
import unicodedata
from typing import Any

import matx

from benchmarks.titles.matxscript_forms import FORMS
from benchmarks.turns import timed

ANSWERS = sys.stdout
sys.stdout = sys.stderr  # what the compiler prints is no answer


def main() -> None:
    given = json.loads(sys.stdin.readline())
    is_word = bytes(map(_is_word, range(sys.maxunicode + 1)))
    made = {name: matx.script(form)(given["vocab"], is_word, given["width"]) for name, form in FORMS.items()}
    calls = [matx.List(titles) for titles in given["calls"]]  # as it holds a list itself: 10 to 15 % faster
    _answer(list(made))
    for line in sys.stdin:
        request = json.loads(line)
        run = made[request["form"]]
        if "call" in request:
            _answer(list(run(calls[request["call"]])))
        else:
            _answer(timed(run, calls, request["seconds"]))


def _is_word(code: int) -> bool:
    return chr(code) == "_" or unicodedata.category(chr(code))[0] in "LMN"


def _answer(what: Any) -> None:
    print(json.dumps(what), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()

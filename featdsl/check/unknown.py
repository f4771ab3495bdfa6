"""Names that stand for nothing, and what was meant by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from featdsl.check.names import Names
from featdsl.check.schema import Input, Members
from featdsl.check.standard import standard_defs
from featdsl.check.suggest import ELSEWHERE, Suggestions
from featdsl.fit import LEARNED
from featdsl.operators import OPERATORS
from featdsl.syntax import tree

_CONSTANTS = {"True": "true", "False": "false", "None": "null", "Null": "null", "NULL": "null", "nil": "null"}
_CALLED = [name for name, operator in OPERATORS.items() if name not in ("and", "or", "not", "if", "in")]
_MOST_SHOWN = 8


def _foreign_letters(name: str) -> str:
    """What a name has in it that no name has: a letter of another alphabet may look like one of a-z."""
    found = dict.fromkeys(f"`U+{ord(char):04X}`" for char in name if not char.isascii())
    return f"names are made of a-z, 0-9 and _; here stands {', '.join(list(found)[:_MOST_SHOWN])}"


class Unknown:
    """Finds help for a name that is not declared."""

    def __init__(self, names: Names, roots: Mapping[str, Input | Members], suggestions: Suggestions) -> None:
        self._names = names
        self._roots = roots
        self._suggestions = suggestions
        self._paths: dict[str, str] | None = None

    def name(self, name: str, parameters: Iterable[str], outputs: Members | None) -> str:
        """Help for a name in an expression; `outputs` are the model's, where they may stand."""
        paths = self._fields()
        if outputs is not None and name in outputs.inputs:
            return f"did you mean `output.{name}`?"
        if name in paths:
            return f"did you mean `{paths[name]}`?"
        if name in _CONSTANTS:
            return f"did you mean `{_CONSTANTS[name]}`?"
        if name == "now":
            return "declare `request { at: timestamp = now }` and write `request.at`"
        if name.lower() in ("nan", "inf", "infinity"):
            return "no literal is infinite or not a number; what is missing is `null`"
        if not name.isascii():
            return _foreign_letters(name)
        help = self._suggestions.help(name, [*parameters, *self._names.declared])
        if not help:
            close = self._suggestions.closest(name, paths)
            help = f"did you mean `{paths[close]}`?" if close else ""
        if not help and (name in OPERATORS or name in standard_defs()):
            help = f"an operator is called: `{name}(…)`"
        if not help and "vocab" in name:
            help = f'declare it: `vocab {name} from "{name}.txt"`'
        return help

    def operator(self, name: str) -> str:
        """Help for a name that is called."""
        other = ELSEWHERE.get(name.lower())
        if other:
            return f"write {other}"
        defs = [d.name.name for d in self._names.of(tree.Def)]
        return self._suggestions.help(name, [*_CALLED, *LEARNED, *defs, *standard_defs()])

    def member(self, members: Members, name: str) -> str:
        """Help for a field that `members` has not."""
        if not name.isascii():
            return _foreign_letters(name)
        help = self._suggestions.help(name, members.inputs, f"{members.name}.")
        if help or not members.inputs:
            return help
        for root in self._roots.values():
            # the field of another source on the same key
            if isinstance(root, Members) and root.name != members.name and name in root.inputs:
                return f"did you mean `{root.name}.{name}`?"
        if name in OPERATORS or name in standard_defs():
            # the fields of a sequence are lists, those of a source of all kinds
            of = f"{members.name}.{next(iter(members.inputs))}" if "." in members.name else "…"
            return f"an operator is called: `{name}({of})`"
        shown = [f"`{members.name}.{n}`" for n in list(members.inputs)[:_MOST_SHOWN]]
        return "there is " + ", ".join(shown)

    def field_of_key(self, name: str) -> str:
        """Help for `item.title`: the source that has the field."""
        path = self._fields().get(name)
        return f"a key has no fields, its rows are read by a source: did you mean `{path}`?" if path else ""

    def _fields(self) -> dict[str, str]:
        if self._paths is None:
            self._paths = {}
            for root in self._roots.values():
                if isinstance(root, Members):
                    for field, found in root.inputs.items():
                        self._paths.setdefault(field, f"{root.name}.{field}")
                        if isinstance(found, Members):
                            for inner in found.inputs:
                                self._paths.setdefault(inner, f"{found.name}.{inner}")
        return self._paths

"""How a node of the syntax tree is declared: as a frozen dataclass with slots, made at a sixth of the time.

    @node
    class Name:
        name: str
        span: Span

The tree has some thirty kinds of nodes, and every command begins with making them: `dataclass` compiles six
functions for each, this one only `__init__`.
"""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def node(declared: type[T]) -> type[T]:
    """The class with its annotated names as slots and as the parameters of `__init__`, in their order. It cannot be
    changed, and compares, hashes and shows by its values."""
    names = tuple(declared.__annotations__)
    defaults = {name: declared.__dict__[name] for name in names if name in declared.__dict__}
    left_out = {*names, "__dict__", "__weakref__"}
    body = {key: value for key, value in declared.__dict__.items() if key not in left_out}
    body |= {"__slots__": names, "__match_args__": names, **_SHARED}
    made = type(declared.__name__, declared.__bases__, body)
    made.__init__ = _initializer(made, names, defaults)  # type: ignore[misc]
    return made


def _initializer(made: type, names: tuple[str, ...], defaults: dict[str, Any]) -> Any:
    parameters = ", ".join(f"{name}=_defaults[{name!r}]" if name in defaults else name for name in names)
    lines = "\n".join(f"  _set_{name}(self, {name})" for name in names)
    scope = {f"_set_{name}": made.__dict__[name].__set__ for name in names}
    exec(f"def __init__(self, {parameters}):\n{lines}", {"_defaults": defaults, **scope}, scope)
    return scope["__init__"]


def _values(of: Any) -> tuple[Any, ...]:
    return tuple([getattr(of, name) for name in of.__slots__])


def _equal(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _show(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
    return f"{self.__class__.__name__}({shown})"


def _refuse(self: Any, name: str, *_: object) -> None:
    raise AttributeError(f"a node of the syntax tree cannot be changed: {name}")


_SHARED = {
    "__eq__": _equal,
    "__hash__": _hash,
    "__repr__": _show,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
}

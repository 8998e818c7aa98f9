"""Values of every wrong kind that students may pass to a check or return from a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class Hostile:
    """Raises in every operation."""

    def _fail(self, *_: Any) -> Any:
        raise RuntimeError("hostile")

    __eq__ = __ne__ = __repr__ = __str__ = __len__ = __iter__ = __bool__ = __hash__ = __float__ = _fail  # type: ignore[assignment]
    __getattr__ = __getitem__ = __array__ = __add__ = __sub__ = __rsub__ = __lt__ = __contains__ = _fail


class Agreeable:
    """Is equal to everything, and is 1 when it is converted to a number."""

    def __eq__(self, other: object) -> bool:
        return True

    def __float__(self) -> float:
        return 1.0

    __hash__ = object.__hash__


class Mute(ValueError):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("mute")


def nested(depth: int) -> list[Any]:
    """Return a list in a list in a list ..."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def cyclic() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


def failing() -> Iterator[Any]:
    """Return a generator that fails at its first value."""
    yield 1 / 0


def fails(error: BaseException) -> Callable[..., Any]:
    """Return a function that raises an error, whatever it is given."""

    def function(*_: Any, **__: Any) -> Any:
        raise error

    return function


def odd_values() -> dict[str, Any]:
    """Return {name: value}, new at each call, as generators are used up."""
    import torch

    return {
        "None": None, "True": True, "3": 3, "-1.5": -1.5, "nan": float("nan"), "1j": 1j, "10**5000": 10**5000,
        "x": "x", "text of 1": "1", "[]": [], "{}": {}, "set": {1}, "(1, 2)": (1, 2), "three Nones": [None] * 3,
        "ragged": [[1], [1, 2]], "pairs": [("a", "b"), ("c",)], "dict": {"a": [1]}, "range": range(3),
        "generator": (n for n in range(3)), "failing generator": failing(), "function": lambda *_: [],
        "class": int, "array class": np.ndarray, "NotImplemented": NotImplemented, "object": object(),
        "array": np.array([1, 2]), "empty array": np.array([]), "2d": np.ones((2, 3)), "0d": np.array(3),
        "texts": np.array(["a", "b"]), "objects": np.array([None, "a"], dtype=object),
        "arrays": [np.array([1, 2]), np.array([3])], "array in a dict": {"a": np.ones(2)},
        "grad": torch.ones(2, requires_grad=True), "one grad": torch.tensor(1.0, requires_grad=True),
        "tensors": [torch.ones(2)] * 2, "bf16": torch.ones(3, 5).bfloat16(), "meta": torch.ones(2, device="meta"),
        "nested": nested(60), "very nested": nested(3000), "cyclic": cyclic(), "error": ValueError("x"),
        "hostile": Hostile(), "hostile pair": (Hostile(), Hostile()), "hostile list": [Hostile()] * 3,
        "hostile dict": {"hotel": Hostile()}, "agreeable": Agreeable(), "agreeable pair": [Agreeable()] * 2,
    }  # fmt: skip


def odd_functions() -> dict[str, Callable[..., Any]]:
    """Return {name: function}: each odd value as a result, and functions that fail, or return what they were given."""
    returning = {f"returns {name}": (lambda *_, _got=value, **__: _got) for name, value in odd_values().items()}
    return returning | {
        "takes nothing": lambda: None, "exits": fails(SystemExit(1)), "mute": fails(Mute()), "len": len, "list": list,
        "assertion": fails(AssertionError("mine")), "recursion": fails(RecursionError()), "str": str, "bool": bool,
        "first": lambda first=None, *_, **__: first, "all": lambda *all_, **__: all_,
    }  # fmt: skip


def twisted(function: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Return {name: function}: a right answer, changed in form as students change it."""
    import torch

    def tensor(got: Any) -> Any:
        return torch.tensor(got, dtype=torch.float64, requires_grad=True) if _numeric(got) else got

    twists: dict[str, Callable[[Any], Any]] = {
        "in a list": lambda got: [got], "in a tuple": lambda got: (got, None), "as text": str, "as an array": np.array,
        "as objects": lambda got: np.array([got], dtype=object), "that requires grad": tensor,
        "as a generator": lambda got: (one for one in got), "one short": lambda got: got[:-1],
        "doubled": lambda got: [*got, *got], "with None": lambda got: [None, *got][: len(got)], "as a set": set,
        "as an iterator": iter, "with a key": lambda got: {"answer": got}, "reversed": lambda got: got[::-1],
    }  # fmt: skip
    return {
        name: (lambda *given, _twist=twist, **more: _twist(function(*given, **more))) for name, twist in twists.items()
    }


def _numeric(got: Any) -> bool:
    return isinstance(got, (int, float)) or (isinstance(got, (list, np.ndarray)) and np.asarray(got).dtype.kind in "if")

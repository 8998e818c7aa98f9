"""Load skills from files. A `.py` file is the user's own code and is imported only if it is named; YAML runs no
code."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lab_lib.calls.skills.described import described_skills
from lab_lib.calls.skills.signature import skill_of
from lab_lib.calls.skills.skill import Skills
from lab_lib.errors import LabError
from lab_lib.files import expanded, read_text

HOME = Path(__file__).resolve().parents[2] / "data" / "skills" / "home.py"  # the ten skills of the course
BUNDLED = {"home": HOME}


def load_skills(files: Sequence[str | Path]) -> Skills:
    """Return the skills of several files together, in order; `home` names the bundled ones.

    Raises LabError for a file ending other than .py, .yaml or .yml, a file without skills, two skills with one name,
    and the errors of `skill_of` and `described_skills`.
    """
    return Skills([skill for name in files for skill in _of_file(skill_path(name))])


def skill_path(name: str | Path) -> Path:
    """Return the file that a name of a user means."""
    return BUNDLED.get(str(name)) or expanded(name)


def _of_file(path: Path) -> list[Any]:
    if path.suffix in (".yaml", ".yml"):
        return described_skills(path)
    if path.suffix != ".py":
        raise LabError(f"{path}: expected a .py, .yaml or .yml file of skills, or 'home' for the bundled ones")
    return [skill_of(function, path) for function in functions_of(path).values()]


def functions_of(path: Path) -> dict[str, Callable[..., Any]]:
    """Import a file and return its skills: the functions written in it whose names do not begin with `_`.

    Raises LabError for code that cannot be imported, two functions with one name, public functions that are not skills
    because of where they stand, and a file without any skill.
    """
    names = _written(path)
    module = _imported(path)
    if not names:
        raise LabError(f"{path}: no skill here: a skill is a function whose name does not begin with '_'")
    for name in names:
        if not inspect.isfunction(module.get(name)):
            kind = type(module.get(name)).__name__
            raise LabError(f"{path}: {name}: a skill is a function, found {kind}; is the name used again below?")
    return {name: module[name] for name in names}


def _written(path: Path) -> list[str]:
    """Return the names of a file's public functions.

    Raises LabError for a name that occurs twice (overloads), and for a function inside `if`, `try` or `with`, or a
    lambda: it would be lost.
    """
    try:
        body = ast.parse(read_text(path).removeprefix("\ufeff")).body
    except (SyntaxError, ValueError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        raise LabError(f"{path}: {line}not Python: {getattr(error, 'msg', error)}") from None
    names: dict[str, int] = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if node.name in names:
                first = f"line {names[node.name]} and line {node.lineno}"
                raise LabError(f"{path}: {first} both define '{node.name}'; a skill has one signature, no overloads")
            names[node.name] = node.lineno
    for number, name in _elsewhere(body):
        if not name.startswith("_"):
            fix = "write it with 'def' outside of if, try and with, or begin its name with '_'"
            raise LabError(f"{path}: line {number}: the function '{name}' would not be a skill; {fix}")
    return list(names)


def _elsewhere(body: Iterable[ast.AST], inside: bool = False) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of the functions of a file that no `def` at its top level writes. Methods are left out."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if inside:
                yield node.lineno, node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Lambda):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((node.lineno, target.id) for target in targets if isinstance(target, ast.Name))
        elif not isinstance(node, ast.ClassDef | ast.expr):
            yield from _elsewhere(ast.iter_child_nodes(node), inside=True)


def _imported(path: Path) -> dict[str, Any]:
    """Run a file and return its names. Raises LabError for whatever it raises."""
    name = f"lab_skills_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise LabError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # some decorators look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise LabError(f"{path}: importing it failed: {type(error).__name__}: {error}") from None
    finally:
        del sys.modules[name]
    return vars(module)

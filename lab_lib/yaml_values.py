"""Read YAML by the core rules of YAML 1.2; PyYAML follows YAML 1.1, where `no` is false and `1:30` is 90.

Null, true, false and unambiguous numbers are recognised: `010`, `0x10`, `1_000` and `1:30` remain text, as do `yes`,
`off` and `2024-01-01`. `2e-4` without a point remains text too (`12e5678` may be the name of a commit). The code that
knows the type of a setting then accepts or refuses the text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from lab_lib.errors import shown

# At most 300 digits: any such number fits into a float.
INT = r"[-+]?(?:0|[1-9][0-9]{0,299})"
FLOAT = rf"(?:{INT}(?:\.[0-9]*)?|[-+]?\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
# (tag, pattern of the whole scalar, characters it can begin with)
SCALARS = (
    ("null", "(?:~|null|Null|NULL|)", [*"~nN", ""]),
    ("bool", "(?:true|True|TRUE|false|False|FALSE)", [*"tTfF"]),
    ("int", INT, [*"-+0123456789"]),
    ("float", rf"(?=.*\.){FLOAT}", [*"-+.0123456789"]),
)


# Bounds of the input; recipes are far below. An alias is cheap to read but expands to everything that it repeats.
LONGEST, DEEPEST = 1_000_000, 50  # characters, with aliases written out; levels


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of SCALARS instead of its own, keys given once, and bounds."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        """Compose one node. Raises MarkedYAMLError beyond DEEPEST levels."""
        if self.depth >= DEEPEST:
            raise _refused("nested too deeply", self.peek_event().start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def compose_document(self) -> yaml.Node | None:
        """Compose the text. Raises MarkedYAMLError where it is longer than LONGEST with its aliases written out."""
        root = super().compose_document()
        if root is not None:
            _count(root, {})
        return root

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping. Raises MarkedYAMLError for a key that occurs twice: one value would be lost."""
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                raise _refused(f"the key {shown(key.value)} occurs twice", key.start_mark)
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def number(self, node: yaml.ScalarNode) -> int | float | str:
        """Return the number of a scalar. Other text, which only a tag such as `!!int` brings here, remains text."""
        for kind, pattern in ((int, INT), (float, FLOAT)):
            if re.fullmatch(pattern, node.value):
                return kind(node.value)
        return node.value


def _refused(problem: str, mark: yaml.Mark | None) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Return the characters and values of a node, aliases written out. Raises MarkedYAMLError beyond LONGEST.

    A node that contains itself is infinite; it is reached again before its own number is known.
    """
    if id(node) not in known:
        known[id(node)] = LONGEST + 1  # while its own values are counted
        if isinstance(node, yaml.ScalarNode):
            known[id(node)] = 1 + len(node.value)
        else:  # a sequence of nodes, or a mapping of pairs of nodes
            values = [value for part in node.value for value in (part if isinstance(part, tuple) else (part,))]
            known[id(node)] = 1 + sum(_count(value, known) for value in values)
    if known[id(node)] > LONGEST:
        raise _refused(f"more than {LONGEST:,} characters with its aliases written out", node.start_mark)
    return known[id(node)]


_Loader.yaml_implicit_resolvers = {}
for tag, pattern, beginnings in SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"{pattern}\Z"), beginnings)
for tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{tag}", _Loader.number)


def read_yaml(text: str) -> Any:
    """Return the value of a YAML text. Raises yaml.YAMLError, also for a text, depth or expansion beyond its bounds.

    >>> read_yaml("[10, 010, 1:30, 0.5, 2e-4, true, on, null]")
    [10, '010', '1:30', 0.5, '2e-4', True, 'on', None]
    """
    if len(text) > LONGEST:
        raise yaml.YAMLError(f"{len(text):,} characters, at most {LONGEST:,} are read")
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def problem(error: yaml.YAMLError) -> str:
    """Return the error of a YAML text in one line."""
    return " ".join(str(getattr(error, "problem", None) or error).split())


def null_sections(text: str) -> list[str]:
    """Return the keys of a valid YAML mapping whose value is written `null` or `~`; one left empty is none of them.

    >>> null_sections("a: null\\nb:\\n  # all lines are comments\\nc: {d: null}\\ne: ~")
    ['a', 'e']
    """
    root = yaml.compose(text, _Loader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return [str(key.value) for key, value in pairs if value.tag == "tag:yaml.org,2002:null" and value.value]

"""YAML read by the core rules of YAML 1.2; PyYAML's own are those of YAML 1.1, where `no` is false and `1:30` is 90.

Null, true, false and numbers are recognised, and only numbers that a person cannot misread: `010`, `0x10`, `1_000` and
`1:30` remain text, as do `yes`, `off` and `2024-01-01`. So does `2e-4` without a point (`12e5678` may be the name of a
commit). Whoever knows the type of a setting then takes the text as it was written, or refuses it.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

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


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars of SCALARS instead of its own."""

    def number(self, node: yaml.ScalarNode) -> int | float | str:
        """Return the number a scalar is. Other text, which only a tag such as `!!int` brings here, remains text."""
        for kind, pattern in ((int, INT), (float, FLOAT)):
            if re.fullmatch(pattern, node.value):
                return kind(node.value)
        return node.value


_Loader.yaml_implicit_resolvers = {}
for tag, pattern, beginnings in SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"{pattern}\Z"), beginnings)
for tag in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{tag}", _Loader.number)


def read_yaml(text: str) -> Any:
    """Return the value of a YAML text. Raises yaml.YAMLError.

    >>> read_yaml("[10, 010, 1:30, 0.5, 2e-4, true, on, null]")
    [10, '010', '1:30', 0.5, '2e-4', True, 'on', None]
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()

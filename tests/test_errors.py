"""What a message shows of a value: the beginning of its repr, whatever the value."""

import pytest

from lab_lib.errors import shown


def bomb():
    value = ["x"] * 10
    for _ in range(12):  # 10**13 texts, as aliases make of a few hundred bytes of YAML
        value = [value] * 10
    return value


def ring():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, None, True]}, "{'a': [1, 2.5, None, True]}"),
        ("\x1b[2J\n\ud800\u202e", r"'\x1b[2J\n\ud800\u202e'"),
        ("x" * 58, repr("x" * 58)),
        ("x" * 59, "'" + "x" * 56 + "..."),
        (10**5000, "a int too large to show"),
        (ring(), "[[[[...]]]]"),
    ],
    ids=("nested", "controls", "fits", "too long", "digits", "ring"),
)
def test_a_value_is_shown_as_python_writes_it_on_one_line_of_60_characters(value, expected):
    assert shown(value) == expected


@pytest.mark.parametrize(
    "value",
    [bomb(), "x" * 10**7, [0] * 10**6, {n: "y" * 1000 for n in range(1000)}],
    ids=("bomb", "text", "list", "dict"),
)
def test_no_more_of_a_value_is_written_than_is_shown(value):
    assert len(shown(value, 80)) == 80

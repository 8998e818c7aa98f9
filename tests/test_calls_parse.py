"""Reading call strings, clause by clause: what parses and what is refused, by the official rules and by our own."""

from __future__ import annotations

from typing import Any

import pytest

from lab_lib.calls.call import REASONS, Call, ParseError, render_call
from lab_lib.calls.parse import bind, parse_calls
from lab_lib.calls.schema import Function, read_function
from lab_lib.errors import LabError


def strict(text: str) -> list[tuple[str, Any]]:
    """(name, arguments) of each call by the official rules."""
    return [(call.name, call.arguments) for call in parse_calls(text, strict_bfcl=True)]


def own(text: str) -> list[tuple[str, Any, Any]]:
    """(name, positional, arguments) of each call by our own rules."""
    return [(call.name, call.positional, call.arguments) for call in parse_calls(text, strict_bfcl=False)]


def reason(text: Any, strict_bfcl: bool) -> str:
    with pytest.raises(ParseError) as caught:
        parse_calls(text, strict_bfcl)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def value(text: str) -> Any:
    """The value of an argument by the official rules."""
    ((_, arguments),) = strict(f"f(x={text})")
    return arguments["x"]


# Outside of the calls, by the official rules: what parses ...
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("f(x=1)", ["f"]),
        ("[f(x=1)]", ["f"]),
        ("[f(x=1), g(x=2)]", ["f", "g"]),
        ("f(x=1), g(x=2)", ["f", "g"]),
        ("f(x=1), g(x=2)]", ["f", "g"]),
        ("`f(x=1)`", ["f"]),
        ("```\n[f(x=1)]\n```", ["f"]),
        ("\n  f(x=1) \n", ["f"]),
        ("[f(x=1),\n g(x=2),\n]", ["f", "g"]),
        ("\tf(x=1)", ["f"]),
        ("", []),
        ("[]", []),
        ("``````", []),
        ("[", []),
        ("]", []),
        ("f", None),
        ("f(x=1) g(x=2)", None),
        ("f(x=1)\ng(x=2)", None),
        ("f(x=1); g(x=2)", None),
        ("[f(x=1), 2]", None),
        ("[[f(x=1)]]", None),
        ("[f(x=1)][0]", None),
        ("[f(x=1)] + [g(x=2)]", None),
        ("[*f(x=1)]", None),
        ("[f(x=1) for x in y]", None),
        ("{f(x=1)}", None),
        ("x = f(x=1)", None),
        ("'f(x=1)'", None),
        ("```python\nf(x=1)\n```", None),
        ("Sure! f(x=1)", None),
        ("f(x=1) # done", None),
        ("f(x=1", None),
        ("I cannot help with that.", None),
        ("<tool>f(x=1)</tool>", None),
        ('{"name": "f", "arguments": {"x": 1}}', None),
    ],
)
def test_official_text_around_calls(text: str, names: list[str] | None) -> None:
    if names is None:
        assert reason(text, strict_bfcl=True) in ("syntax", "not_a_call")
    else:
        assert [name for name, _ in strict(text)] == names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("f(x=1)", "f"),
        ("a.b.c(x=1)", "a.b.c"),
        ("a[0].b(x=1)", "b"),
        ("f()(x=1)", ""),
        ("f().g.h(x=1)", "g.h"),
        ("'text'.upper(x=1)", "upper"),
    ],
)
def test_official_names_are_the_dotted_end(text: str, name: str) -> None:
    assert strict(text) == [(name, {"x": 1})]


@pytest.mark.parametrize(
    ("text", "arguments", "dropped"),
    [
        ("f(1, 2, x=3)", {"x": 3}, 2),
        ("f(1)", {}, 1),
        ("f(*a, x=3)", {"x": 3}, 1),
        ("f(lambda: 0)", {}, 1),
        ("f(x=1, x=2)", {"x": 2}, 0),
        ("f(x=1, **{'y': 2})", {"x": 1, None: {"y": 2}}, 0),
        ("f(**k)", {None: "k"}, 0),
        ("f()", {}, 0),
    ],
)
def test_official_arguments_drop_positional_ones(text: str, arguments: dict[Any, Any], dropped: int) -> None:
    assert parse_calls(text, strict_bfcl=True) == [Call("f", arguments, (), dropped)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'a' \"b\"", "ab"),
        ("1", 1),
        ("1.5", 1.5),
        ("2j", 2j),
        ("b'x'", b"x"),
        ("None", None),
        ("True", True),
        ("...", "..."),
        ("[1, [2]]", [1, [2]]),
        ("(1, 'a')", (1, "a")),
        ("(1)", 1),
        ("{'a': [1], 2: ()}", {"a": [1], 2: ()}),
        ("{'a': 1, 'a': 2}", {"a": 2}),
        ("true", "true"),
        ("north", "north"),
        ("-5", -5),
        ("+5", -5),
        ("~5", -5),
        ("not 5", -5),
        ("-True", -1),
        ("-2.5", -2.5),
        ("[north, -1]", ["north", -1]),
        ("2 * 3", 6),
        ("2 ** 3 - 1", 7),
        ("7 // 2", 3),
        ("7 / 2", 3.5),
        ("-2 + 3", 1),
        ("+2 + 3", 5),
        ("'a' + 'b'", "ab"),
        ("'ab' * 3", "ababab"),
        ("[0] * 3", [0, 0, 0]),
        ("(1,) + (2,)", (1, 2)),
        ("'%s-%s' % ('a', 1)", "a-1"),
        ("{'a': 1} | {'b': 2}", {"a": 1, "b": 2}),
        ("g()", "g()"),
        ("g(1,'a')", "g(1, 'a')"),
        ("g(y=1)", {"g": {"y": 1}}),
        ("a.g(1, y=h(z=2))", {"a.g": {"y": {"h": {"z": 2}}}}),
        ("a[0]", "a[0]"),
        ("data['sales'][1:2]", "data['sales'][1:2]"),
        ("a[1,2]", "a[(1, 2)]"),
        (r"'\d'", "\\d"),
    ],
)
def test_official_values(text: str, expected: Any) -> None:
    assert value(text) == expected and type(value(text)) is type(expected)


KINDS = ["x.y", "f'a'", "f'{1}'", "{1, 2}", "lambda: 1", "1 if x else 2", "1 < 2", "x or 1", "[i for i in x]"]
PLACES = ["*a", "{**a}", "{[1]: 2}", "{g(y=1): 2}", "(y := 1)", "await x", "(i for i in x)"]
SIGNS = ["-'a'", "-None", "-x", "--5", "-(2 + 3)", "-[1]", "-..."]
SUMS = ["1 + x", "g() + 1", "1 + a.b", "1 / 0", "'a' + 1", "[1] @ [2]", "1.0 << 2", "1 << -1", "{[1]: 2} | {}"]


@pytest.mark.parametrize("text", [*KINDS, *PLACES, *SIGNS, *SUMS])
def test_official_values_that_do_not_decode(text: str) -> None:
    assert reason(f"f(x={text})", strict_bfcl=True) in ("unsupported", "arithmetic", "syntax")


# By our own rules: each text beside its nearest relative that is refused.
@pytest.mark.parametrize(
    ("good", "call", "bad", "why"),
    [
        ("f(x=1)", ("f", (), {"x": 1}), "```python\nf(x=1)\n```", "code_fence"),
        (" f(x=1)\n", ("f", (), {"x": 1}), "`f(x=1)`", "code_fence"),
        ("[f(x=1)]", ("f", (), {"x": 1}), "Sure: f(x=1)", "prose"),
        ("f()", ("f", (), {}), "f() please", "prose"),
        ("f(x='#1')", ("f", (), {"x": "#1"}), "f(x=1) # one", "prose"),
        ("f(\n x=1\n)", ("f", (), {"x": 1}), "f(\n x=1 # one\n)", "prose"),
        ("f(1, y=2)", ("f", (1,), {"y": 2}), "f(*[1], y=2)", "starred"),
        ("f(x=1, y=2)", ("f", (), {"y": 2, "x": 1}), "f(**{'x': 1})", "starred"),
        ("f(x=1, X=2)", ("f", (), {"x": 1, "X": 2}), "f(x=1, x=2)", "repeated_argument"),
        ("f(x={'a': 1})", ("f", (), {"x": {"a": 1}}), "f(x={'a': 1, 'a': 2})", "repeated_argument"),
        ("a.b.f(1)", ("a.b.f", (1,), {}), "a[0].f(1)", "odd_name"),
        ("f(x=true)", ("f", (), {"x": True}), "f(x=yes)", "bare_name"),
        ("f(x=[false, null])", ("f", (), {"x": [False, None]}), "f(x=[nan])", "bare_name"),
        ("f(x=True)", ("f", (), {"x": True}), "f(x=TRUE)", "bare_name"),
        ("f(x='north')", ("f", (), {"x": "north"}), "f(x=north)", "bare_name"),
        ("f(x=-5)", ("f", (), {"x": -5}), "f(x=-'a')", "arithmetic"),
        ("f(x=+5)", ("f", (), {"x": 5}), "f(x=1 / 0)", "arithmetic"),
        ("f(x=2 * 3)", ("f", (), {"x": 6}), "f(x=2 * y)", "unsupported"),
        ("f(x='g(1)')", ("f", (), {"x": "g(1)"}), "f(x=g(1))", "nested_call"),
        ("f(x='a[0]')", ("f", (), {"x": "a[0]"}), "f(x=a[0])", "unsupported"),
        ("f(x=(1, 2))", ("f", (), {"x": (1, 2)}), "f(x={1, 2})", "unsupported"),
        ("f(x={'a': [1]})", ("f", (), {"x": {"a": [1]}}), "f(x={1: 2})", "unsupported"),
        ("f(x=1e300)", ("f", (), {"x": 1e300}), "f(x=1e999)", "unsupported"),
        ("f(x='a')", ("f", (), {"x": "a"}), "f(x=b'a')", "unsupported"),
        ("f(x=1.5)", ("f", (), {"x": 1.5}), "f(x=1.5j)", "unsupported"),
        ("f(x=None)", ("f", (), {"x": None}), "f(x=...)", "unsupported"),
        ("f(x=[1])", ("f", (), {"x": [1]}), "f(x=[*y])", "starred"),
        ("f(x=1)", ("f", (), {"x": 1}), "f", "not_a_call"),
        ("[f(x=1)]", ("f", (), {"x": 1}), "[f(x=1), 2]", "not_a_call"),
        ("[f(x=1),]", ("f", (), {"x": 1}), "f(x=1),", "not_a_call"),
        ("f(x=1)", ("f", (), {"x": 1}), "f(x=1", "syntax"),
        ("f(x=1)", ("f", (), {"x": 1}), "[f(x=1)", "syntax"),
        ("f(x=1)", ("f", (), {"x": 1}), "No such thing!", "syntax"),
        ("f(x=1)", ("f", (), {"x": 1}), "  ", "empty"),
    ],
)
def test_own_rules_in_pairs(good: str, call: tuple[str, Any, Any], bad: str, why: str) -> None:
    assert own(good) == [call]
    assert reason(bad, strict_bfcl=False) == why


def test_own_rules_read_several_calls_and_none() -> None:
    assert [name for name, _, _ in own("[f(1), g.h(2)]")] == ["f", "g.h"]
    assert own("[]") == []


@pytest.mark.parametrize("strict_bfcl", [True, False])
@pytest.mark.parametrize("text", [None, 3, b"f()", ["f()"], {"f": {}}])
def test_what_is_not_text_is_refused(text: Any, strict_bfcl: bool) -> None:
    assert reason(text, strict_bfcl) == "not_text"


def function(*names: str) -> Function:
    properties = {name: {"type": "integer", "description": ""} for name in names}
    parameters = {"type": "dict", "properties": properties, "required": list(names)}
    return read_function({"name": "f", "description": "", "parameters": parameters}, "test")


def test_positional_arguments_take_the_names_of_the_signature_in_its_order() -> None:
    calls = parse_calls("[f(1, 2), f(2, a=1), f(b=2, a=1), g(5)]", False, [function("b", "a")])
    assert [call.arguments for call in calls] == [{"b": 1, "a": 2}, {"b": 2, "a": 1}, {"b": 2, "a": 1}, {}]
    assert [call.positional for call in calls] == [(), (), (), (5,)]


@pytest.mark.parametrize(("text", "why"), [("f(1, 2, 3)", "too_many_positional"), ("f(1, b=2)", "repeated_argument")])
def test_positional_arguments_that_do_not_fit_are_refused(text: str, why: str) -> None:
    assert parse_calls("f(1, a=2)", False, [function("b", "a")])[0].arguments == {"b": 1, "a": 2}
    with pytest.raises(ParseError) as caught:
        parse_calls(text, False, [function("b", "a")])
    assert caught.value.reason == why


def test_the_official_rules_have_no_use_for_signatures() -> None:
    assert parse_calls("f(1)", True, [function("b")])[0].arguments == {}


def test_unknown_names_are_left_to_the_judge() -> None:
    assert bind(Call("f", {"zzz": 1}, (2,)), function("b")).arguments == {"b": 2, "zzz": 1}


def test_a_rendered_call_reads_back_as_itself() -> None:
    call = Call("a.f", {"x": "it's", "y": [1, -2.5, None], "z": {"k": (True,)}}, ("n",))
    assert parse_calls(render_call(call), strict_bfcl=False) == [call]


def test_every_reason_has_words_and_the_error_is_one_of_ours() -> None:
    assert all(REASONS.values())
    assert issubclass(ParseError, LabError)
    assert str(ParseError("prose", "a\nb" + "c" * 200)) == "there is text around the call: a b" + "c" * 77

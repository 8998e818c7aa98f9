"""Model output is never run, never takes the process down, and nothing but ParseError ever comes out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lab_lib.calls.call import Call, ParseError, render_call, render_calls
from lab_lib.calls.parse import parse_calls
from lab_lib.calls.safe_ast import MAX_BITS, MAX_CHARACTERS, MAX_DEPTH, MAX_SIZE, Folder, parse_expression, size

BOTH = pytest.mark.parametrize("strict_bfcl", [True, False])

# Building blocks of odd text: every word that could run or blow up, and enough grammar to put it where it counts.
WORDS = [
    *(
        "f(x=1)",
        "f(",
        "x=",
        ")",
        "[",
        "]",
        "{",
        "}",
        "(",
        ",",
        ":",
        "=",
        ".",
        "*",
        "**",
        "+",
        "-",
        "~",
        "not ",
        "%",
        "<<",
    ),
    *(
        "9",
        "9**9",
        "10**10**10",
        "'a'*9**9",
        "[0]*9**9",
        "0x",
        "1e999",
        "1_0",
        "１",
        "b'x'",
        "'a'",
        '"b"',
        "f'{",
        "'''",
    ),
    *(
        "#",
        "\\",
        "\\d",
        "\n",
        "\t",
        "\0",
        "`",
        "```",
        " ",
        "é",
        "\ud800",
        "\u202e",
        "true",
        "None",
        "...",
        "**{}",
        "*a",
    ),
    *("lambda:", "__import__('os')", ".system('true')", "getattr", "eval", "exec", "open('canary','w')", "a[0]", "g()"),
    *(" is ", " and ", " or ", " if ", " else ", " for ", " in ", "await ", ":=", "@", "g(y=1)", "f(x=", "[f(x="),
]


def outcome(text: Any, strict_bfcl: bool) -> list[Call] | str:
    """The calls, or the reason of the refusal; any other exception fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return parse_calls(text, strict_bfcl)
        except ParseError as error:
            str(error).encode()
            return error.reason


@BOTH
@settings(max_examples=400, deadline=None)
@given(text=st.lists(st.sampled_from(WORDS), max_size=12).map("".join))
@example(text="f(x='\\d')")
@example(text="f(x=~True + 1)")
@example(text="f(x='%c' % 99999999999)")
def test_word_salad_parses_or_is_refused(text: str, strict_bfcl: bool) -> None:
    assert outcome(text, strict_bfcl) is not None


@BOTH
@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(codec=None, categories=None), max_size=60))
def test_any_text_parses_or_is_refused(text: str, strict_bfcl: bool) -> None:
    assert outcome(text, strict_bfcl) is not None
    assert outcome(f"f(x={text})", strict_bfcl) is not None


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.from_regex(r"\A[a-z_]{1,5}\Z").filter(lambda name: name not in ("as", "if", "in", "is", "or", "and", "def",
    "del", "for", "not", "try", "elif", "else", "from", "pass", "with", "async", "await", "break", "class", "raise",
    "while", "yield"))  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(name=NAMES, arguments=st.dictionaries(NAMES, PLAIN, max_size=4))
def test_any_plain_values_come_back_by_both_rules(name: str, arguments: dict[str, Any]) -> None:
    call = Call(name, dict(arguments.items()))
    assert parse_calls(render_call(call), strict_bfcl=False) == [call]
    assert repr(parse_calls(render_call(call), strict_bfcl=True)) == repr([call])


@BOTH
@pytest.mark.parametrize(
    "code",
    [
        "__import__('os').system('touch CANARY')",
        "open('CANARY', 'w')",
        "(open('CANARY', 'w'))",
        "open('CANARY', 'w') + 1",
        "1 + open('CANARY', 'w').write('x')",
        "[open('CANARY', 'w')] * 2",
        "getattr(__import__('os'), 'system')('touch CANARY')",
        "().__class__.__base__.__subclasses__()",
        "(lambda: open('CANARY', 'w'))()",
        "[open('CANARY', 'w') for _ in (1,)]",
        "f\"{open('CANARY', 'w')}\"",
        "f\"{open('CANARY', 'w')}\" + 'a'",
        "(x := open('CANARY', 'w'))",
        "eval(\"open('CANARY', 'w')\")",
        "{'a': open('CANARY', 'w')}",
        "1 if open('CANARY', 'w') else 2",
        "'a' % open('CANARY', 'w')",
        "a[open('CANARY', 'w')]",
    ],
)
def test_no_code_is_ever_run(code: str, strict_bfcl: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in (code, f"f(x={code})", f"f({code})", f"[f(x={code})]", f"f(**{code})", f"f(x=-{code})"):
        outcome(text, strict_bfcl)
    assert list(tmp_path.iterdir()) == []
    exec(compile("open('CANARY', 'w').close()", "canary", "exec"))  # the trap itself works
    assert [path.name for path in tmp_path.iterdir()] == ["CANARY"]


@BOTH
@pytest.mark.parametrize(
    "value",
    [
        "9**9**9",
        "9**9**9**9",
        "-9**9**9 + 1",
        "(-9)**9999999",
        "1 << 10**9",
        "2 * " * 3000 + "2",
        "'a' * 10**9",
        "10**9 * 'a'",
        "b'a' * 10**9",
        "[0] * 10**9",
        "(0,) * 10**9",
        "[[[[0] * 99] * 99] * 99] * 99",
        "'%999999999d' % 1",
        "'%.*f' % (999999999, 1.0)",
        "'%(a)s%(a)s' % {'a': 'b'}",
        f"'{'a' * 60}' * 99 + '{'b' * 60}' * 99",
        "0x" + "f" * 1000,
        "9" * 5000,
    ],
)
def test_large_constants_are_refused_before_they_are_made(value: str, strict_bfcl: bool) -> None:
    assert outcome(f"f(x={value})", strict_bfcl) in ("too_large", "too_deep", "syntax")


def test_what_just_fits_is_computed() -> None:
    def fold(text: str) -> Any:
        return Folder().fold(parse_expression(text))

    assert fold("2 ** 1000") == 2**1000 and fold("1 << 2000") == 1 << 2000
    assert fold("'a' * 9999") == "a" * (MAX_SIZE - 1)
    assert fold("[0] * 9999") == [0] * (MAX_SIZE - 1)
    for over in ("'a' * 10000", "[0] * 10000", "2 ** 2000", "1 << 2048", "0x1" + "0" * (MAX_BITS // 4)):
        with pytest.raises(ParseError, match="too large"):
            fold(over)
    assert fold("0x" + "f" * (MAX_BITS // 4)) == 2**MAX_BITS - 1
    assert (size("ab"), size([1, [2, "ab"]]), size({"a": 1}), size(7)) == (3, 7, 4, 1)


def test_the_budget_is_for_the_whole_text() -> None:
    """Ten lists of 4,000 are 40,000 elements, four times what one text may make."""
    text = f"f(x=[{', '.join(['[0] * 4000'] * 10)}])"
    assert outcome(text, strict_bfcl=True) == "too_large"
    assert outcome(text.replace("[0]", "'a'"), strict_bfcl=False) == "too_large"


@BOTH
@pytest.mark.parametrize(
    ("opening", "middle", "closing"),
    [
        ("[", "", "]"),
        ("(", "1", ",)"),
        ("{'a': ", "1", "}"),
        ("g(y=", "1", ")"),
        ("1 + (", "1", ")"),
        ("-", "1", ""),
        ("not ", "1", ""),
        ("lambda: ", "1", ""),
        ("a[", "0", "]"),
        ("g(", "", ")"),
        ("1 if 1 else ", "1", ""),
        ("2 ** ", "1", ""),
        ("f'{", "1", "}'"),
    ],
)
def test_deep_nesting_ends_in_a_refusal(opening: str, middle: str, closing: str, strict_bfcl: bool) -> None:
    for times in (MAX_DEPTH + 2, 199, 201, 1500, 6000):
        text = f"f(x={opening * times}{middle}{closing * times})"
        unclosed = f"f(x={opening * times}"
        assert isinstance(outcome(text, strict_bfcl), str) or strict_bfcl  # `a[a[...]]` is text by the official rules
        assert isinstance(outcome(unclosed, strict_bfcl), str)


@BOTH
@pytest.mark.parametrize("piece", [" + 1", ".b", "()", "[0]", " < 1", " 'a'", " and 1", ", y=1"])
def test_long_chains_end(piece: str, strict_bfcl: bool) -> None:
    assert outcome("f(x=a" + piece * 35_000 + ")", strict_bfcl) == "too_long"
    assert outcome("f(x=a" + piece * 5_000 + ")", strict_bfcl) is not None


@BOTH
@pytest.mark.parametrize("text", ["a" * 65_000 + " b", "ab " * 21_000 + "!", "é" * 65_000 + "(", "a(" * 32_000])
def test_text_that_is_no_call_is_refused_in_a_time_that_grows_with_its_length(text: str, strict_bfcl: bool) -> None:
    """The square of these lengths is minutes."""
    assert isinstance(outcome(text, strict_bfcl), str)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r'f(x="\ud800")', "unsupported"),
        (r'f(x="\uDE00\uD83D")', "unsupported"),
        (r'f(x={"\udfff": 1})', "unsupported"),
        (r'f(x="\ud8" + "00")', "syntax"),
        (r'f(x="\ud800" + "")', "unsupported"),
        ('f(x="\ud800")', "syntax"),
        ("ｆ(x=1)", "odd_name"),
        ("f(ｘ=1)", "odd_name"),
        ("a.ｂ(x=1)", "odd_name"),
        ("f(x=ｔrue)", "odd_name"),
        ("ﬁnd(x=1)", "odd_name"),
    ],
)
def test_own_rules_take_only_whole_characters_and_names_as_they_are_written(text: str, reason: str) -> None:
    assert outcome(text, strict_bfcl=False) == reason


@given(st.dictionaries(st.sampled_from("ab"), st.text(st.characters()) | st.integers(-9, 9) | st.booleans()))
@example({"a": "\ud83d\ude00", "b": "ｆ \u2028"})
def test_what_the_own_reader_reads_can_be_written_and_read_again(arguments: dict[str | None, Any]) -> None:
    text = render_calls([Call("f", arguments)])
    found = outcome(text, strict_bfcl=False)
    if isinstance(found, str):
        assert any(isinstance(value, str) and not _encodable(value) for value in arguments.values())
    else:
        assert [Call("f", arguments)] == found and _encodable(render_calls(found))


def _encodable(text: str) -> bool:
    return text.encode(errors="replace").decode() == text


@BOTH
def test_nesting_within_the_limit_is_read(strict_bfcl: bool) -> None:
    (call,) = parse_calls(f"f(x={'[' * MAX_DEPTH}{']' * MAX_DEPTH})", strict_bfcl)
    assert repr(call.arguments["x"]) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


@BOTH
def test_long_text_is_refused_unread(strict_bfcl: bool) -> None:
    text = f"f(x='{'a' * MAX_CHARACTERS}')"
    assert outcome(text, strict_bfcl) == "too_long"
    assert outcome(text[:5] + "'" + text[-1000:], strict_bfcl) != "too_long"


@BOTH
def test_little_stack_left_is_a_refusal_too(strict_bfcl: bool) -> None:
    """A parser deep inside somebody's recursion runs out of stack, and says so as a ParseError."""

    def deeper(levels: int) -> list[Call] | str:
        return deeper(levels - 1) if levels else outcome(f"f(x={'[' * 90}{']' * 90})", strict_bfcl)

    found = set()
    for levels in range(0, 2000, 20):
        try:
            found.add(str(deeper(levels)))
        except RecursionError:
            break  # no stack left to call the parser at all
    assert "too_deep" in found and len(found) == 2


@BOTH
@pytest.mark.parametrize("value", [r"'\d'", "1or 2", "0xfor 2", "1if 2else 3", "1.or 2", "1jor 2"])
def test_what_python_warns_of_is_read_alike_and_prints_nothing(value: str, strict_bfcl: bool) -> None:
    text = f"f(x=[{value}, g({value})])"
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        try:
            quiet: list[Call] | str = parse_calls(text, strict_bfcl)
        except ParseError as error:
            quiet = error.reason
    assert printed == []
    assert quiet == outcome(text, strict_bfcl) != "syntax"  # outcome() makes errors of warnings

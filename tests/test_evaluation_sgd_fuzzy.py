"""`token_sort_ratio` by hand, and its properties on any text."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sgd_slow import slow_clean, slow_indel, slow_ratio

from lab_lib.errors import LabError
from lab_lib.evaluation.fuzzy import BACKENDS, sorted_words, token_sort_ratio

# Few letters, so that texts have something in common; separators, Latin-1, other scripts, odd lower cases, surrogates.
TEXTS = st.text(
    alphabet=st.sampled_from("aab bcÀé¼  _-.,'9٣İΣßKあ漢🙂\u0301\ud800\n\t\x85\u2003"), max_size=30
) | st.text(max_size=20)
WORDS = st.lists(st.text(alphabet=string.ascii_letters + string.digits, min_size=1, max_size=8), max_size=6)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  The   Old-Quay, No. 4 ", "4 no old quay the"),
        ("half_past six", "half_past six"),  # an underscore is no separator
        ("Café", "caf"),  # code points 128 to 255 are deleted, not replaced
        ("na\u00a0me", "name"),  # also the no-break space
        ("Ελλάδα ΒΗΤΑ", "βητα ελλάδα"),  # other letters stay
        ("cafe\u0301 x", "cafe x"),  # a combining accent is no word character
        ("wi-fi wi fi", "fi fi wi wi"),
        ("$$ !", ""),
    ],
)
def test_words_are_cleaned_and_sorted(text: str, cleaned: str) -> None:
    assert sorted_words(text) == cleaned == slow_clean(text)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("first", "second", "ratio"),
    [
        ("Quay Old", "old quay", 100),
        ("", "", 100),
        ("$$", "!", 100),  # nothing left on both sides
        ("$$", "quay", 0),
        ("quay", "", 0),
        ("abcd", "efgh", 0),
        ("abcd", "abcf", 75),  # 2 * 3 / 8
        ("abc", "abcd", 86),  # 6 / 7 = 0.857
        ("6 pm", "6:00 pm", 73),  # "6 pm", "00 6 pm": 2 * 4 / 11
        ("aaaaaaab", "bccccccc", 12),  # 2 * 1 / 16 = 12.5, half goes to the even 12
        ("aaab" + "d" * 12, "bccc" + "e" * 12, 6),  # 2 * 1 / 32 = 6.25
        ("abbbbbb" * 1 + "c", "addddddc", 25),  # a and c of 8 and 8
    ],
)
def test_ratios_by_hand(first: str, second: str, ratio: int, backend: str) -> None:
    assert token_sort_ratio(first, second, backend) == ratio


def test_half_goes_to_the_even_number() -> None:
    # 3 of 8 and 8 in common would be 37.5, which goes up to 38; 1 of them is 12.5, which goes down to 12.
    assert token_sort_ratio("abcxxxxx", "abcyyyyy") == 38
    assert token_sort_ratio("axxxxxxx", "ayyyyyyy") == 12


def test_the_backends_differ() -> None:
    # The longest block "lll" first and then nothing, 2 * 3 / 20; or the subsequence p, q, r, s, 2 * 4 / 20.
    pair = ("lllp1q2r3s", "p4q5r6slll")
    assert (token_sort_ratio(*pair), token_sort_ratio(*pair, "indel")) == (30, 40)
    # From 200 characters on difflib leaves out those that make up more than 1 % of the second text.
    long = "ab" * 100
    assert token_sort_ratio("c" + long, "d" + long) == 0
    assert token_sort_ratio("c" + long, "d" + long, "indel") == 100  # 2 * 200 / 402 = 0.995
    # 17 of 40 and 40 in common: 1 - 46 / 80 is a little more than 0.425 in floats, 34 / 80 is 0.425.
    first, second = "a" * 17 + "b" * 23, "a" * 17 + "c" * 23
    assert (token_sort_ratio(first, second, "indel"), token_sort_ratio(first, second)) == (43, 42)


def test_difflib_is_not_symmetric() -> None:
    pairs = [(a, b) for a in ("tide", "abcab", "diet tide", "abxab") for b in ("diet", "babca", "tide tied", "bab")]
    assert any(token_sort_ratio(a, b) != token_sort_ratio(b, a) for a, b in pairs)


def test_unknown_backends_are_named() -> None:
    with pytest.raises(LabError, match=r"fuzzy backend: unknown 'diflib'; did you mean 'difflib'\?"):
        token_sort_ratio("a", "b", "diflib")


@given(TEXTS, TEXTS)
def test_equal_to_the_slow_one_on_any_text(first: str, second: str) -> None:
    assert sorted_words(first) == slow_clean(first)
    for backend in BACKENDS:
        assert token_sort_ratio(first, second, backend) == slow_ratio(first, second, backend)


@given(TEXTS, TEXTS)
def test_bounds_and_hundred(first: str, second: str) -> None:
    for backend in BACKENDS:
        assert 0 <= token_sort_ratio(first, second, backend) <= 100
        assert token_sort_ratio(first, first, backend) == 100
    assert token_sort_ratio(first, second, "indel") == token_sort_ratio(second, first, "indel")


@given(WORDS, st.randoms())
def test_case_order_and_punctuation_do_not_matter(words: list[str], draw: object) -> None:
    mixed = sorted(words, key=lambda _: draw.random())  # type: ignore[attr-defined]
    for backend in BACKENDS:
        assert token_sort_ratio(" ".join(words), " - ".join(mixed).upper() + "!é", backend) == 100


@given(st.text(alphabet="abc", min_size=1, max_size=12), st.text(alphabet="abc", min_size=1, max_size=12))
def test_the_longest_common_subsequence_is_never_shorter_than_the_blocks(first: str, second: str) -> None:
    blocks, subsequence = (token_sort_ratio(first, second, backend) for backend in ("difflib", "indel"))
    # At most one whole number apart downwards: the two round different floats.
    assert subsequence >= blocks - 1
    assert slow_indel(first, second) >= 0

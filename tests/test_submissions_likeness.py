"""The measure that tells copies from honest rows, and its margins on real systems."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from lab_lib.decoding.predictions import read_predictions
from lab_lib.files import read_json
from lab_lib.results.names import taken
from lab_lib.submissions import likeness
from lab_lib.submissions.benchmark import find_benchmark
from lab_lib.submissions.copies import of_oracle
from lab_lib.submissions.form import packed_path
from lab_lib.submissions.lines import from_lines
from lab_lib.submissions.safe import read_packed
from lab_lib.tasks.response_tricks import odd_replies

LONG = "the hotel is in the north of town and has free parking"


def said(*replies: str) -> likeness.Said:
    task = find_benchmark("response", "town").task
    return likeness.read_said({"a": [{"response": reply} for reply in replies]}, task)


@pytest.mark.parametrize(
    "one, other, share",
    [
        ([LONG], [LONG.upper() + " !"], 1.0),
        ([LONG], [f"well , {LONG} , and what else can i do for you today ?"], 1.0),
        ([LONG], ["parking free has and town of north the in is hotel the"], 1.0),  # the order of words does not count
        ([LONG], [LONG.replace("e", "\u0435").replace("a", "\u00e1").replace("o", "o\u00ad")], 1.0),  # is read the same
        (["a b c d e f g h i j"], ["a b c d e f g x y z"], 1.0),  # 7 of 10 words
        (["a b c d e f g h i j"], ["a b c d e f x y z w"], 0.0),  # 6 of 10
        (["a a a a a b b b b b"], ["a c d e f g h i j k"], 0.0),  # a word counts as often as both have it
        ([LONG, "thank you", "you are welcome"], [LONG, "thank you", "no problem"], 1.0),  # short ones do not count
        ([LONG, "thank you"], ["sorry , there is no such train on this day", "thank you"], 0.0),
        (["yes", "no"], ["yes", "yes"], 0.5),  # all of them are short
        ([LONG], ["the hotel"], 0.0),
        ([LONG], [""], 0.0),
        ([""], [""], 0.0),  # nothing was said
    ],
)
def test_answers_are_alike_by_the_words_that_they_share(one, other, share):
    assert likeness.likeness(said(*one), said(*other)) == likeness.likeness(said(*other), said(*one)) == share


def changed(edit):
    """Return gold replies of the town, each after `edit(number, reply)`, as predictions and as what they say."""
    benchmark = find_benchmark("response", "town")
    gold = benchmark.oracle.predictions
    found = {
        key: [{"response": edit(number, turn["response"])} for number, turn in enumerate(turns)]
        for key, turns in gold.items()
    }
    return found, likeness.read_said(found, benchmark.task), benchmark


def test_half_of_the_gold_replies_are_remarked_on():
    _, row, benchmark = changed(lambda number, reply: reply if number % 2 else "sorry , what did you say just now ?")
    assert likeness.likeness(row, benchmark.oracle_said) < likeness.SUSPICIOUS
    remark, *_ = of_oracle(Path("row"), row, benchmark)
    assert "have nearly all words of the gold replies and no others" in remark


def test_gold_replies_in_other_words_have_their_placeholders():
    found, row, benchmark = changed(
        lambda number, reply: " ".join(word if word[0] == "[" else f"{word}s" for word in reply.split())
    )
    assert of_oracle(Path("row"), row, benchmark) == []
    (remark,) = odd_replies(found, {}, benchmark.oracle.predictions, {"inform": 101.0, "success": 101.0})
    assert "100% of the replies have exactly the placeholders" in remark


@pytest.mark.parametrize(
    "name",
    [
        "ɢᴏʟᴅ ʀᴇᴘʟɪᴇꜱ",
        "gøld replies",
        "gold\u3164replies",
        "ցold repl\u0131es",
        "ᏀOLD replies",
        "ꓖold replies",
        "gоld rерlіеs",
    ],
)
def test_names_that_read_like_a_row_of_every_table_are_taken(name):
    assert taken(name, ["random reply", "gold replies"]) == "gold replies"
    assert taken(name + " 2", ["random reply", "gold replies"]) is None


def test_rows_of_other_answers_are_not_compared():
    assert likeness.likeness(said(LONG), said(LONG, LONG)) == 0.0


def test_where_one_wording_is_right_only_common_mistakes_tell_a_copy():
    right = [f"call {number}" for number in range(40)]
    oracle, good = said(*right), said(*right[:25], *["wrong"] * 15)
    assert likeness.common_mistakes(good, said(*right[:25], *["wrong"] * 15), oracle) == 1.0
    assert likeness.common_mistakes(good, said(*right[:20], *["other"] * 20), oracle) == 0.0
    assert likeness.common_mistakes(said(*right[:31], *["wrong"] * 9), said(*right[:31], *["wrong"] * 9), oracle) == 0.0


def test_inform_and_success_of_the_gold_replies_are_remarked_on_together():
    gold, best = find_benchmark("response", "town").oracle.predictions, {"inform": 100.0, "success": 100.0}
    *others, remark = odd_replies(gold, best, gold, best)
    assert remark == "Inform 100.0 and Success 100.0 are as good as the gold replies'"
    assert odd_replies(gold, {"inform": 100.0, "success": 96.7}, gold, best) == others


@pytest.mark.real
def test_honest_systems_are_far_from_every_threshold(lab_data):
    """Eleven published systems and the rows of this repository on MultiWOZ 2.2."""
    benchmark = find_benchmark("response", "multiwoz22")
    files = {path.stem: read_predictions(path) for path in (lab_data / "mwzeval/mwz/predictions").glob("*.json*")}
    for path in (Path(__file__).parent.parent / "results").glob("*/*-20??-??-??-????????.json"):
        if read_json(path).get("corpus") == "multiwoz22":
            packed = packed_path(path)
            files[path.stem] = from_lines(read_packed(packed), packed, benchmark.task.submitted)
    assert len(files) >= 16
    found = {name: likeness.read_said(predictions, benchmark.task) for name, predictions in files.items()}
    oracle, best = benchmark.oracle, {"inform": 101.0, "success": 101.0}
    for name, row in found.items():
        assert of_oracle(Path(name), row, benchmark) == []
        assert odd_replies(files[name], {}, oracle.predictions, best) == []
    whole = {name: row for name, row in found.items() if row.places == benchmark.oracle_said.places}
    to_gold = {name: likeness.likeness(row, benchmark.oracle_said) for name, row in whole.items()}
    assert max(to_gold.values()) < likeness.SUSPICIOUS - 0.2, to_gold
    pairs = {names: likeness.likeness(whole[names[0]], whole[names[1]]) for names in combinations(whole, 2)}
    assert max(pairs.values()) < likeness.CLOSE - 0.05, max(pairs.items(), key=lambda item: item[1])
    assert max(map(likeness.of_one_answer, found.values())) < likeness.ONE_FOR_ALL - 0.2

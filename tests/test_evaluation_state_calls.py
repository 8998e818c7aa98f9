"""Belief states and calls: figures by hand, every way a call is right or wrong, and the ceiling on real dialogues."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tiny_corpus import write_tiny_corpus

from lab_lib.calls.call import Call
from lab_lib.corpora.load import load_corpus
from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.corpora.types import Corpus
from lab_lib.errors import LabError
from lab_lib.evaluation.calls import judge_item
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.state_calls import call_item, gold_calls, no_calls, score_state_calls
from lab_lib.prompts.belief import Belief, gold_turns, read_calls, state_functions


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Corpus:
    folder = write_tiny_corpus(tmp_path_factory.mktemp("corpus"))
    return read_multiwoz(folder, folder, "tiny")


def predicted(corpus: Corpus, calls: dict[str, list[str]]) -> dict[str, list[dict]]:
    """Predictions of a system that wrote these texts."""
    functions, predictions = state_functions(corpus.schema), {}
    for key, texts in calls.items():
        belief, predictions[key] = Belief(), []
        for text in texts:
            found, problems = read_calls(text, functions)
            belief = belief.after(found)
            turn = {"response": "", "call": text, "state": belief.state, "problems": problems}
            predictions[key].append(turn)
    return predictions


def score(corpus: Corpus, split: str, predictions, **settings):
    scorer, functions = MwzScorer.from_corpus(corpus, split), state_functions(corpus.schema)
    return score_state_calls(scorer, corpus.splits[split], functions, predictions, **{"resamples": 0, **settings})


def test_figures_by_hand(tiny):
    """Two dialogues, three turns, three calls due (the train's and two of the restaurant's); one slot is wrong."""
    predictions = predicted(
        tiny,
        {
            "tin0001": [
                'find_restaurant(food="british", area="south")',
                'book_restaurant(people="2", day="monday", time="19:00")',
            ],
            "tin0002": [
                'find_train(day="monday", departure="northbridge", destination="eastham", leaveat="08:30")',
            ],
        },
    )
    scores = score(tiny, "train", predictions)
    assert (scores.turns, scores.dialogues) == (3, 2)
    assert scores.joint_accuracy == pytest.approx(100 / 3)  # the wrong area stays in the second turn
    assert scores.calls == scores.calls_due == pytest.approx(200 / 3)
    # Slots right, predicted and gold: 1 + 4 + 4 of 2 + 5 + 4 and as many.
    assert scores.slot_f1 == pytest.approx(100 * 9 / 11)
    assert scores.same_text == pytest.approx(100 / 3)  # arguments stand in another order in the first dialogue
    assert scores.wrong == {"tin0001": (True, True), "tin0002": (False,)}
    states = MwzScorer.from_corpus(tiny, "train").score_states(predictions)
    assert scores.joint_accuracy == pytest.approx(states.joint_accuracy)
    assert scores.slot_f1 == pytest.approx(states.slot_f1)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('book_restaurant(day="monday", people="2", time="19:00")', True),
        ('[book_restaurant(time="7 pm", people="2", day="monday")]', True),  # another annotated spelling; any order
        ('book_restaurant(day="Monday", people="2", time="19:00")', False),  # another day to the database and the state
        ('book_restaurant(day="monday", people="-2", time="19:00")', False),  # the leaderboard would take these three
        ('book_restaurant(day="mon-day", people="2", time="19:00")', False),
        ('book_restaurant(day="monday", people="2", time="19 00")', False),
        ('ｂｏｏｋ_restaurant(day="monday", people="2", time="19:00")', False),  # names in letters of full width
        ('book_restaurant(ｄａｙ="monday", people="2", time="19:00")', False),
        ('book_restaurant("monday", "2", "19:00")', True),  # positional, in the order of the schema
        ('book_restaurant(day="monday", people="2", time="20:00")', False),
        ('book_restaurant(day="monday", people="2")', False),
        ('book_restaurant(day="monday", people=2, time="19:00")', False),  # a number is no text
        ('book_restaurant(day="monday", people="2", time="19:00", name="x")', False),
        ('book_train(day="monday", people="2", time="19:00")', False),
        ('[book_restaurant(day="monday", people="2", time="19:00"), find_restaurant(area="north")]', False),
        ("[]", False),
        ("book_restaurant(", False),
    ],
)  # fmt: skip
def test_a_turn_s_calls_are_right_or_wrong_as_a_whole(tiny, text, right):
    gold = list(gold_turns(tiny.splits["train"][0]))[1]
    assert judge_item(call_item(gold, state_functions(tiny.schema)), text, strict_bfcl=False).correct == right


@pytest.mark.parametrize(("text", "right"), [("[]", True), ("none", False), ("", False), ("find_taxi()", False)])
def test_where_nothing_is_to_be_called_only_no_call_is_right(tiny, text, right):
    gold = list(gold_turns(tiny.splits["test"][0]))[1]
    assert gold.calls == ()
    assert judge_item(call_item(gold, state_functions(tiny.schema)), text, strict_bfcl=False).correct == right


def test_several_calls_count_in_any_order(tiny):
    gold = list(gold_turns(tiny.splits["train"][0]))[1]
    both = replace(gold, calls=(*gold.calls, Call("find_restaurant", {"food": "british"})))
    item = call_item(both, state_functions(tiny.schema))
    text = '[find_restaurant(food="british"), book_restaurant(day="monday", people="2", time="19:00")]'
    assert judge_item(item, text, strict_bfcl=False).correct
    assert not judge_item(item, 'find_restaurant(food="british")', strict_bfcl=False).correct


def test_problems_are_counted_by_kind_and_malformed_texts_once(tiny):
    predictions = predicted(tiny, {"tin0004": ["I think", 'find_restaurant(food="indian", fod="x", name=3)']})
    scores = score(tiny, "test", predictions)
    assert scores.malformed == 1
    assert scores.problems == {"malformed": 1, "unknown argument": 1, "no text": 1}
    assert scores.joint_accuracy == 50 and scores.calls == 0  # the second turn put the state right, too late for calls


def test_the_ceiling_and_the_floor(tiny):
    top = score(tiny, "test", gold_calls(tiny.splits["test"]))
    assert (top.joint_accuracy, top.slot_f1, top.calls, top.calls_due, top.same_text) == (100, 100, 100, 100, 100)
    floor = score(tiny, "test", no_calls(tiny.splits["test"]))
    assert (floor.joint_accuracy, floor.slot_f1, floor.calls, floor.calls_due) == (0, 0, 50, 0)
    assert floor.malformed == 0 and floor.problems == {}


def test_some_dialogues_may_be_scored_and_intervals_hold_the_figure():
    town = load_corpus("town")
    some = town.splits["test"][:12]
    texts = {
        key: [turn["call"] if n % 3 else "[]" for n, turn in enumerate(turns)]
        for key, turns in gold_calls(some).items()
    }
    scores = score(town, "test", predicted(town, texts), resamples=200)
    assert scores.dialogues == 12 and set(scores.intervals) >= {"joint_accuracy", "slot_f1", "calls", "calls_due"}
    for name, (low, high) in scores.intervals.items():
        assert low <= getattr(scores, name) <= high and low < high
    assert 0 < scores.joint_accuracy < scores.calls < 100


def test_a_turn_without_a_state_is_refused(tiny):
    predictions = no_calls(tiny.splits["test"])
    del predictions["tin0004"][1]["state"]
    with pytest.raises(LabError, match="state tracking is not available"):
        score(tiny, "test", predictions)


@pytest.mark.real
def test_gold_calls_reach_every_gold_state_of_real_dev_and_score_as_gold_states_do(lab_data):
    from lab_lib.evaluation.baselines import gold_replies, random_replies

    corpus = load_corpus("multiwoz22")
    calls, scorer = gold_calls(corpus.splits["dev"]), MwzScorer.from_corpus(corpus, "dev")
    functions = state_functions(corpus.schema)
    scores = score_state_calls(scorer, corpus.splits["dev"], functions, calls, resamples=0)
    assert (scores.joint_accuracy, scores.calls, scores.same_text, scores.turns) == (100, 100, 100, 7365)
    for replies in (gold_replies(corpus.splits["dev"]), random_replies(corpus.splits["dev"], corpus.splits["dev"])):
        own = {
            key: [{**reply, "state": turn["state"]} for reply, turn in zip(turns, calls[key], strict=True)]
            for key, turns in replies.items()
        }
        ours, theirs = scorer.score(own, resamples=0), scorer.score(replies, resamples=0)
        assert (ours.bleu, ours.inform, ours.success) == (theirs.bleu, theirs.inform, theirs.success)

"""The whole response scorer on four tiny dialogues, its decisions about odd input, and what it refuses."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.corpora.types import Corpus, Dialogue, DomainGoal, State, Turn
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import gold_replies, most_frequent_reply, random_replies
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.mwz_scores import compare_systems, pool_seeds
from tests.tiny_corpus import write_tiny_corpus

HOTELS = [
    {"id": "1", "name": "oak bed and breakfast", "area": "north"},
    {"id": "2", "name": "elm b and b", "area": "south"},
]
GOAL = {"hotel": {"informable": {"area": "north"}, "requestable": ["PHONE"]}}
NORTH, SOUTH = {"hotel": {"area": "north"}}, {"hotel": {"area": "south"}}


@pytest.fixture(scope="module")
def scorer() -> MwzScorer:
    """Two dialogues of two turns about a hotel in the north; the gold states say so."""
    keys = ("one", "two")
    return MwzScorer(
        {key: ["try NAME.", "the phone is PHONE."] for key in keys},
        {key: GOAL for key in keys},
        {key: [NORTH, NORTH] for key in keys},
        {key: [[], []] for key in keys},
        {"hotel": HOTELS},
    )


def replies(first: str = "Try [hotel_name] .", second: str = "The phone is [hotel_phone] .", **extra: Any) -> list[Any]:
    return [{"response": first, **extra}, {"response": second, **extra}]


def test_perfect_replies(scorer: MwzScorer) -> None:
    scores = scorer.score({"one": replies(), "two": replies()}, resamples=20)
    assert scores.bleu == pytest.approx(100)
    assert (scores.inform, scores.success, scores.dialogues, scores.turns) == (100.0, 100.0, 2, 4)
    assert scores.combined == scores.bleu + 100
    assert scores.inform_by_domain == scores.success_by_domain == {"hotel": 100.0}
    assert scores.intervals["success"] == (100.0, 100.0)
    assert scores.replies["one"] == ("try NAME.", "the phone is PHONE.")
    assert scores.active_domains["one"] == (("hotel",), ("hotel",))
    assert scores.notes == ("replies under 4 tokens: 2 of 4; they have no 4-gram for BLEU",)  # try NAME .
    assert scores.unknown_placeholders == {}


def test_half_of_the_dialogues_fail(scorer: MwzScorer) -> None:
    scores = scorer.score(
        {
            "one": replies(),
            "two": replies("Try it ."),
        },
        resamples=200,
    )
    assert (scores.inform, scores.success) == (50.0, 50.0)
    assert scores.per_dialogue["two"].causes == ("hotel: no venue offered",)
    low, high = scores.intervals["inform"]
    assert low == 0.0 and high == 100.0  # of two dialogues a quarter of the draws has none that is right


def test_the_input_is_not_changed_and_scoring_repeats(scorer: MwzScorer) -> None:
    predictions = {"one": replies(state=NORTH, active_domains=["hotel"]), "two": replies(state=NORTH)}
    before = copy.deepcopy(predictions)
    first, second = (scorer.score(predictions, resamples=30, seed=5) for _ in range(2))
    assert predictions == before
    assert first == second and first.as_json() == second.as_json()


def test_no_resamples_means_no_intervals(scorer: MwzScorer) -> None:
    assert scorer.score({"one": replies()}, resamples=0).intervals == {}


def test_states_are_used_only_if_every_turn_has_one(scorer: MwzScorer) -> None:
    wrong = scorer.score({"one": replies(state=SOUTH)}, resamples=0)
    assert wrong.per_dialogue["one"].causes == ("hotel: wrong venue",)
    mixed = scorer.score({"one": [*replies(state=SOUTH)[:1], *replies()[1:]]}, resamples=0)
    assert mixed.success == 100.0
    assert "state ignored: 1 of 2 turns have none; gold states are used for all" in mixed.notes
    assert "states:gold" in mixed.signature and "states:given" in wrong.signature


def test_active_domains_are_used_only_if_every_turn_has_them(scorer: MwzScorer) -> None:
    other = scorer.score({"one": replies(active_domains=["taxi"])}, resamples=0)
    assert other.inform == 0.0 and "active:given" in other.signature
    mixed = scorer.score({"one": [*replies(active_domains=["taxi"])[:1], *replies()[1:]]}, resamples=0)
    assert mixed.inform == 100.0 and "active:estimated" in mixed.signature
    assert "active_domains ignored: 1 of 2 turns have none; they are estimated for all" in mixed.notes


def test_active_domains_can_be_estimated_or_read_from_slot_names(scorer: MwzScorer) -> None:
    predictions = {"one": replies("Try [value_name] .", active_domains=["taxi"])}
    assert scorer.score(predictions, 0, active="estimated").inform == 100.0
    by_slot = scorer.score(predictions, 0, active="slot_names")
    assert by_slot.inform == 0.0 and by_slot.active_domains["one"] == ((), ("hotel",))
    with pytest.raises(LabError, match="active: unknown 'slots'; did you mean 'slot_names'"):
        scorer.score(predictions, 0, active="slots")


def test_missing_dialogues_and_turns_are_counted(scorer: MwzScorer) -> None:
    scores = scorer.score({"two": replies()[:1]}, resamples=0)
    assert scores.notes == (
        "predicted dialogues: 1 of 2; only these are scored",
        "dialogues with fewer turns than the reference: 1, missing turns: 1",
        "replies under 4 tokens: 1 of 1; they have no 4-gram, and as no reply has one, BLEU is 0, whatever they say",
    )
    assert scores.bleu == 0.0
    assert (scores.inform, scores.success, scores.turns) == (100.0, 0.0, 1)


def test_a_dialogue_without_turns_fails_but_does_not_disturb_the_others(scorer: MwzScorer) -> None:
    scores = scorer.score({"one": [], "two": replies()}, resamples=5)
    assert scores.inform == 50.0 and scores.bleu == pytest.approx(100)
    assert scores.counts[:, 0].tolist() == [0, 8]  # try NAME . and the phone is PHONE .


def test_lexicalised_replies_are_warned_of(scorer: MwzScorer) -> None:
    """Names and numbers instead of placeholders: the 2023 lab's mistake, with Success near 0 whatever is said."""
    names = replies("Try oak .", "The phone is 01632960001 .")
    scores = scorer.score({"one": names, "two": replies()[:1]}, resamples=0)
    assert (scores.inform, scores.success) == (50.0, 0.0)
    assert not any("delexicalise" in note for note in scores.notes)  # one of three is no rule
    scores = scorer.score({"one": names}, resamples=0)
    assert any("[name]: 0 in the replies, 2 in the references" in note for note in scores.notes)
    assert not any("delexicalise" in note for note in scorer.score({"one": replies()}, resamples=0).notes)


def test_unknown_placeholders_are_counted_and_named(scorer: MwzScorer) -> None:
    scores = scorer.score({"one": replies("[rating] [rating] [stars_of]")}, resamples=0)
    assert scores.unknown_placeholders == {"rating": 2, "stars_of": 1}
    assert "unknown placeholders deleted: 3: [rating] 2x, [stars_of] 1x" in scores.notes


def test_state_values_that_are_no_text_are_counted_and_match_nothing(scorer: MwzScorer) -> None:
    state = {"hotel": {"area": ["north"], "stars": None, "name": float("nan")}}
    scores = scorer.score({"one": replies(state=state)}, resamples=0)
    assert "state values that are no text: 6; as constraints they match nothing" in scores.notes
    assert scores.per_dialogue["one"].causes == ("hotel: no venue offered",)


def test_the_name_rule_of_2023() -> None:
    for rules, inform in (("2022", 100.0), ("2023", 0.0)):
        goal = {"hotel": DomainGoal({"area": "north"}, ())}
        one = MwzScorer({"a": ["x"]}, {"a": goal}, {"a": [{}]}, {"a": [[]]}, {"hotel": HOTELS}, rules)
        turn = {"response": "[hotel_name]", "state": {"hotel": {"name": "oak bed and breakfast"}}}
        assert one.score({"a": [turn]}, resamples=0).inform == inform
    with pytest.raises(LabError, match="rules: unknown '2021'; did you mean '202"):
        MwzScorer({}, {}, {}, {}, {}, "2021")


def test_references_states_and_bookings_must_fit() -> None:
    with pytest.raises(LabError, match="dialogue a: 2 references, 1 gold states"):
        MwzScorer({"a": ["x", "y"]}, {}, {"a": [{}]}, {"a": [[], []]}, {})
    with pytest.raises(LabError, match="dialogue a: 1 references, 0 booked domains"):
        MwzScorer({"a": ["x"]}, {}, {"a": [{}]}, {}, {})


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([], "expected {dialogue: .*}, found list"),
        ({}, "no turn to score"),
        ({"one": []}, "no turn to score"),
        ({"ONE.json": replies()}, "1 unknown dialogue ids, the first is 'ONE.json'; did you mean 'one'?"),
        ({"zzzzzzzz": replies()}, "the first is 'zzzzzzzz'; expected ids like 'one'"),
        ({7: replies()}, "the first is 7; expected"),
        ({"one": "text"}, "dialogue one: expected a list of turns, found str"),
        ({"one": None}, "dialogue one: expected a list of turns, found NoneType"),
        ({"one": [*replies(), *replies()]}, "dialogue one: 4 turns, the reference has 2"),
        ({"one": ["text"]}, "dialogue one, turn 0: expected an object with 'response', found 'text'"),
        ({"one": [{"reply": "x"}]}, "dialogue one, turn 0: 'response' is None, expected text"),
        ({"one": replies(second=None)}, "dialogue one, turn 1: 'response' is None, expected text"),  # type: ignore[arg-type]
        ({"one": [{"response": float("nan")}]}, "dialogue one, turn 0: 'response' is nan, expected text"),
        ({"one": replies(state=None)}, "dialogue one, turn 0: state is None, expected {domain: {slot: value}}"),
        ({"one": replies(state=[])}, "turn 0: state is \\[\\], expected"),
        ({"one": replies(state={"hotel": "oak"})}, "turn 0: state of 'hotel' is 'oak', expected {slot: value}"),
        ({"one": replies(state={"hotel": {3: "x"}})}, "turn 0: state of 'hotel' has the slot 3, expected text"),
        ({"one": replies(state={4: {}})}, "turn 0: state has the domain 4, expected text"),
        ({"one": replies(active_domains="hotel")}, "turn 0: active_domains is 'hotel', expected a list"),
        ({"one": replies(active_domains=[1])}, "turn 0: active_domains is \\[1\\], expected a list"),
    ],
)
def test_what_cannot_be_scored_is_named(scorer: MwzScorer, predictions: Any, message: str) -> None:
    with pytest.raises(LabError, match=message):
        scorer.score(predictions, resamples=0)


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
TURN = st.fixed_dictionaries(
    {"response": st.text() | JUNK},
    optional={"state": st.dictionaries(st.sampled_from(["hotel", "taxi"]), st.dictionaries(st.text(), JUNK)) | JUNK},
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["one", "two", "three"]), st.lists(TURN | JUNK, max_size=3) | JUNK) | JUNK)
def test_any_input_is_scored_or_refused_by_our_own_error(scorer: MwzScorer, predictions: Any) -> None:
    try:
        scores = scorer.score(predictions, resamples=2)
    except LabError:
        return
    assert 0 <= scores.inform <= 100 and 0 <= scores.bleu <= 100.0001
    json.dumps(scores.as_json())


def test_the_report_is_plain_json(scorer: MwzScorer) -> None:
    report = json.loads(json.dumps(scorer.score({"one": replies(), "two": replies("Try it .")}).as_json()))
    assert report["per_dialogue"]["two"] == {
        "match": {"hotel": False, "total": False},
        "success": {"hotel": False, "total": False},
        "causes": ["hotel: no venue offered"],
        "active_domains": [["hotel"], ["hotel"]],
    }
    assert report["signature"].startswith("mwz|rules:2022|states:gold|active:estimated|nrefs:1|case:mixed")
    assert "sacrebleu:" in report["signature"]
    assert "replies" not in report and "counts" not in report


def test_two_systems_are_compared_dialogue_by_dialogue(scorer: MwzScorer) -> None:
    good = scorer.score({"one": replies(), "two": replies()}, resamples=0)
    bad = scorer.score({"two": replies("Try it ."), "one": replies("Try it .")}, resamples=0)
    difference = compare_systems(good, bad, resamples=50)["inform"]
    assert (difference.difference, difference.low, difference.high, difference.p) == (100, 100, 100, 0)
    assert compare_systems(bad, good, resamples=50)["inform"].difference == -100
    with pytest.raises(LabError, match="1 dialogues were scored for one system only: two"):
        compare_systems(good, scorer.score({"one": replies()}, resamples=0))


def test_seeds_are_pooled(scorer: MwzScorer) -> None:
    runs = [scorer.score({"one": replies(), "two": replies(first)}, 0) for first in ("Try [name] .", "Try it .")]
    assert pool_seeds(runs, resamples=50)["inform"].mean == 75.0
    with pytest.raises(LabError, match="no scores given"):
        pool_seeds([])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = write_tiny_corpus(tmp_path_factory.mktemp("tiny"))
    return read_multiwoz(folder, folder, "tiny")


def test_gold_replies_of_a_corpus_score_by_hand(tiny: Corpus) -> None:
    for split in ("train", "dev", "test"):
        scores = MwzScorer.from_corpus(tiny, split).score(gold_replies(tiny.splits[split]), resamples=0)
        assert (scores.inform, scores.success, scores.notes) == (100.0, 100.0, ())
        assert scores.bleu == pytest.approx(100)
    assert scores.replies["tin0004"] == ("at the NAME in the AREA.", "it is at ADDRESS, POST.")


def test_bookings_and_the_state_before_each_reply_come_from_the_corpus(tiny: Corpus) -> None:
    predictions = gold_replies(tiny.splits["train"])
    predictions["tin0001"].reverse()  # the reference comes before the booking, and the name is offered last
    verdict = MwzScorer.from_corpus(tiny, "train").score(predictions, resamples=0).per_dialogue["tin0001"]
    assert verdict.match["total"] and verdict.causes == ("restaurant: premature reference",)


def test_trivial_rows(tiny: Corpus) -> None:
    shape = {key: len(turns) for key, turns in gold_replies(tiny.splits["train"]).items()}
    pool = {turn["response"] for turns in gold_replies(tiny.splits["dev"]).values() for turn in turns}
    for made in (
        random_replies(tiny.splits["train"], tiny.splits["dev"], 1),
        most_frequent_reply(tiny.splits["train"], tiny.splits["dev"]),
    ):
        assert {key: len(turns) for key, turns in made.items()} == shape
        assert {turn["response"] for turns in made.values() for turn in turns} == pool
    drawn = random_replies(tiny.splits["test"], tiny.splits["train"], 7)
    assert drawn == random_replies(tiny.splits["test"], tiny.splits["train"], 7)
    assert any(drawn != random_replies(tiny.splits["test"], tiny.splits["train"], seed) for seed in range(8, 12))


def corpus(*dialogues: Dialogue) -> Corpus:
    return Corpus("made", {"test": dialogues}, database={"hotel": tuple(HOTELS)})


def said(text: str) -> tuple[Turn, Turn]:
    return Turn("user", "hello", state=State()), Turn("system", text)


def test_the_most_frequent_reply_is_the_first_of_several() -> None:
    made = corpus(Dialogue("a", said("b") + said("a") + said("a") + said("b")))
    assert {turn["response"] for turn in most_frequent_reply(made.splits["test"], made.splits["test"])["a"]} == {"b"}


def test_dialogues_without_goal_count_for_bleu_only() -> None:
    goal = {"hotel": DomainGoal({"name": "oak"}, ())}
    made = corpus(Dialogue("A.json", said("yes"), goal=goal), Dialogue("B.json", said("no")))
    scores = MwzScorer.from_corpus(made, "test").score(gold_replies(made.splits["test"]), resamples=20)
    assert (scores.inform, scores.success, scores.dialogues) == (100.0, 100.0, 2)
    assert scores.per_dialogue["b"].match == {} and scores.per_dialogue["b"].causes == (
        "no goal: left out of Inform and Success",
    )
    assert scores.notes[0] == "dialogues without goal: 1; they are left out of Inform and Success"


def test_a_corpus_without_goals_or_split_or_replies_is_refused() -> None:
    made = corpus(Dialogue("a", said("yes")))
    with pytest.raises(LabError, match="corpus made, split test: no dialogue has a goal"):
        MwzScorer.from_corpus(made, "test")
    with pytest.raises(LabError, match="no split 'tests'; did you mean 'test'"):
        MwzScorer.from_corpus(made, "tests")
    with pytest.raises(LabError, match="have no system reply"):
        random_replies((), (Dialogue("a", said("x")[:1]),))

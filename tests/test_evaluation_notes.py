"""Notes beside official numbers: each case has the number that the official scorer gives, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sgd_harbour import SEEN, dialogue, frame, user
from test_evaluation_calls import item
from tiny_corpus import write_tiny_corpus

from lab_lib.calls.bfcl import CallItem, Expected
from lab_lib.calls.schema import read_function
from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.corpora.types import Corpus, exchanges
from lab_lib.evaluation.baselines import gold_replies
from lab_lib.evaluation.calls import score_calls
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.evaluation.placeholders import count_others
from lab_lib.evaluation.sgd import SgdScorer
from lab_lib.evaluation.stray_text import stray_notes
from lab_lib.evaluation.text import score_text

Change = Callable[[str, str, str], tuple[str, str, Any]]  # (domain, slot, value) -> what is predicted


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = write_tiny_corpus(tmp_path_factory.mktemp("tiny"))
    return read_multiwoz(folder, folder, "tiny")


def with_states(corpus: Corpus, change: Change) -> dict[str, list[dict[str, Any]]]:
    """Gold replies of the train split with changed gold states."""
    predictions: dict[str, list[dict[str, Any]]] = {}
    for one in corpus.splits["train"]:
        for turn, exchange in zip(gold_replies([one])[one.key], exchanges(one), strict=True):
            state: dict[str, dict[str, Any]] = {}
            for domain, slots in exchange.state.first().items():
                for slot, value in slots.items():
                    where, name, said = change(domain, slot, value)
                    state.setdefault(where, {})[name] = said
            predictions.setdefault(one.key, []).append({**turn, "state": state})
    return predictions


STATES: list[tuple[str, Change, float, str]] = [
    ("domain", lambda d, s, v: (d.title(), s, v), 0.0,
     "predicted slots of domains outside the schema: 11 of 11: Restaurant 7x (did you mean restaurant?), Train 4x "
     "(did you mean train?)"),
    ("half domain", lambda d, s, v: (f"{d}-semi", s, v), 0.0, "restaurant-semi 7x (did you mean restaurant?)"),
    ("prefix", lambda d, s, v: (d, f"{d}-{s}", v), 0.0,
     "predicted slots outside the schema: 11 of 11: restaurant/restaurant-food 2x (did you mean food?)"),
    ("one slot", lambda d, s, v: (d, "aera" if s == "area" else s, v), 100 / 3,
     "restaurant/aera 2x (did you mean area?)"),
    ("dontcare", lambda d, s, v: (d, s, "dontcare" if s == "area" else v), 100 / 3,
     "dontcare predicted 2x: dontcare 2x"),
    ("do n't care", lambda d, s, v: (d, s, "do n't care" if s == "day" else v), 200 / 3, "dontcare predicted 1x"),
    ("none", lambda d, s, v: (d, s, "none" if s == "area" else v), 100 / 3,
     "slots predicted without a value 2x: none 2x"),
    ("empty", lambda d, s, v: (d, s, "" if s == "area" else v), 100 / 3, "without a value 2x: (empty) 2x"),
    ("case", lambda d, s, v: (d, s, v.upper() if s == "area" else v), 100 / 3,
     "values wrong by case, spacing or marks alone: 2: NORTH 2x"),
    ("marks", lambda d, s, v: (d, s, f"_{v}_" if s == "area" else v), 100.0,
     "looks up as they are: 2: restaurant/area=_north_ for north 2x"),
    ("invisible", lambda d, s, v: (d, s, f"{v}\u200b" if s == "area" else v), 100.0,
     "invisible characters in 2 of 11 state values: U+200B 2x"),
    ("token", lambda d, s, v: (d, s, f"{v}</s>" if s == "area" else v), 100.0,
     "control tokens written out in 2 of 11 state values: </s> 2x"),
    ("curly dontcare", lambda d, s, v: (d, s, "don\u2019t care" if s == "area" else v), 100 / 3,
     "but for 2, which it looks up as values"),
    ("any", lambda d, s, v: (d, s, "any" if s == "area" else v), 100 / 3, "dontcare predicted 2x: any 2x"),
    ("<none>", lambda d, s, v: (d, s, "<none>" if s == "area" else v), 100 / 3, "without a value 2x: <none> 2x"),
    ("letter", lambda d, s, v: (d, s, v[0]), 200 / 3, "of one letter): b for british 2x, n for north 2x"),
    ("fuzzy column", lambda d, s, v: (d, s, v[0]), 200 / 3,
     "one-letter constraints that match every row with the letter: 4: restaurant/food=b 2x"),
    ("many values", lambda d, s, v: (d, s, f"{v} south east west" if s == "area" else v), 100.0,
     "2 (0 of one letter): north south east west for north 2x"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "joint", "note"), [case[1:] for case in STATES], ids=[case[0] for case in STATES])
def test_predicted_states_have_the_official_score_and_a_note(change: Change, joint: float, note: str, tiny: Corpus):
    scorer, predictions = MwzScorer.from_corpus(tiny, "train"), with_states(tiny, change)
    found = scorer.score_states(predictions)
    assert found.joint_accuracy == pytest.approx(joint)
    assert any(note in line for line in found.notes), found.notes
    assert set(found.notes) <= set(scorer.score(predictions, resamples=0).notes)


def test_right_states_have_no_note(tiny: Corpus) -> None:
    assert MwzScorer.from_corpus(tiny, "train").score_states(with_states(tiny, lambda *slot: slot)).notes == ()


def test_active_domains_outside_the_schema_are_named(tiny: Corpus) -> None:
    predictions = {k: [{**turn, "active_domains": ["Restaurant"]} for turn in turns]
                   for k, turns in gold_replies(tiny.splits["train"]).items()}  # fmt: skip
    scores = MwzScorer.from_corpus(tiny, "train").score(predictions, resamples=0)
    assert scores.inform == 0.0
    assert any("outside the schema: 3: Restaurant 3x (did you mean restaurant?)" in note for note in scores.notes)


@pytest.mark.parametrize(
    ("spell", "found", "hint"),
    [
        (lambda name: f"[hotel-{name}]", "[hotel-phone]", "[hotel_phone]"),
        (lambda name: f"[hotel.{name}]", "[hotel.phone]", "[hotel_phone]"),
        (lambda name: f"[{name.upper()}/1]", "[PHONE/1]", "[phone]"),
        (lambda name: f"<{name}>", "<phone>", "[phone]"),
        (lambda name: f"<|{name}|>", "<|phone|>", "[phone]"),
        (lambda name: f"{{value_{name}}}", "{value_phone}", "[value_phone]"),
        (lambda name: f"\uff3b{name}\uff3d", "\uff3bphone\uff3d", "[phone]"),
        (lambda name: f"hotel_{name}", "hotel_phone", "[hotel_phone]"),
        (lambda name: f"__{name}__", "__phone__", "[phone]"),
        (lambda name: f"${name}", "$phone", "[phone]"),
        (str.upper, "PHONE", "[phone]"),
        (lambda name: f"[{name}", "[phone", "[phone]"),
    ],
)
def test_placeholders_of_other_spellings_are_named(spell: Callable[[str], str], found: str, hint: str, tiny: Corpus):
    """One placeholder among right ones: Success falls, and the note says which it is."""
    gold = gold_replies(tiny.splits["train"])
    assert "[phone]" in gold["tin0001"][1]["response"]
    gold["tin0001"][1]["response"] = gold["tin0001"][1]["response"].replace("[phone]", spell("phone"))
    scores = MwzScorer.from_corpus(tiny, "train").score(gold, resamples=0)
    assert scores.success == 50.0 and scores.inform == 100.0
    named = f"placeholders in another spelling, read as text: 1: {found} 1x (did you mean {hint}?)"
    assert any(note.startswith(named) for note in scores.notes), scores.notes
    assert f"unknown slot {found}" in scores.per_dialogue["tin0001"].causes


@pytest.mark.parametrize(
    "text",
    ["[name] is at [hotel_address], [NAME]s too", "if a < b and c > d", "it costs $5 (cheap), 50% off",
     "the train ID is", "a well-known place", "</s> <|im_end|> <pad>"],
)  # fmt: skip
def test_other_text_is_no_placeholder(text: str) -> None:
    assert not count_others([text])


STRAY: list[tuple[Callable[[str], str], str]] = [
    (lambda r: f"{r} </s>", "control tokens written out in 3 of 3 replies: </s> 3x"),
    (lambda r: f"{r}<|im_end|>", "<|im_end|> 3x"),
    (lambda r: f"{r} <pad> <pad>", "in 3 of 3 replies: <pad> 6x"),
    (lambda r: f"{r} [EOS]", "[EOS] 3x"),
    (lambda r: f"{r}<end_of_turn>", "<end_of_turn> 3x"),
    (lambda r: r.replace(" ", "Ġ"), "Ġ"),
    (lambda r: f"bot> {r}", "a role before 3 of 3 replies: bot> 3x"),
    (lambda r: f"Assistant: {r}", "Assistant: 3x"),
    (lambda r: f"### Response:\n{r}", "### Response: 3x"),
    (lambda r: f"assistant\n\n{r}", "assistant 3x"),
]


@pytest.mark.parametrize(("spoil", "note"), STRAY)
def test_control_tokens_and_roles_are_counted_in_replies_and_texts(spoil: Any, note: str, tiny: Corpus) -> None:
    gold = gold_replies(tiny.splits["train"])
    replies = {key: [{"response": spoil(turn["response"])} for turn in turns] for key, turns in gold.items()}
    scores = MwzScorer.from_corpus(tiny, "train").score(replies, resamples=0)
    texts, references = ([t["response"] for turns in side.values() for t in turns] for side in (replies, gold))
    as_they_are = score_text(texts, references, resamples=0)
    for notes in (scores.notes, as_they_are.notes):
        assert any(note in line for line in notes), notes
    assert as_they_are.bleu < 100


FIVE = ("hello there", "it is in the north", "which one ?", "your table is booked", "goodbye")


@pytest.mark.parametrize(
    ("spoil", "note"),
    [
        (lambda r: f"Lab: {r}", "5 of 5 replies begin with 'Lab:', of 5 references 0"),
        (lambda r: f"\u52a9\u624b\uff1a {r}", "5 of 5 replies begin with"),
        (lambda r: f"{r} ###", "5 of 5 replies end with '###', of 5 references 0"),
        (lambda r: f"{r}\nuser: thanks", "a role inside 5 of 5 replies: user: 5x"),
        (lambda r: f"{r}. bot> ok", "a role inside 5 of 5 replies: bot> 5x"),
        (lambda r: f"{r} <eos_r>", "control tokens written out in 5 of 5 replies: <eos_r> 5x"),
        (lambda r: f"{r} </response>", "</response> 5x"),
        (lambda r: f"Agent - {r}", "a role before 5 of 5 replies: Agent - 5x"),
        (lambda r: f"\u200b{r}", "invisible characters in 5 of 5 replies: U+200B 5x; scored as text"),
        (lambda r: "\u2060", "(5 of them show nothing else: empty replies)"),
    ],
)
def test_what_every_reply_begins_or_ends_with_is_named(spoil: Callable[[str], str], note: str) -> None:
    found = score_text([spoil(text) for text in FIVE], FIVE, resamples=0)
    assert any(note in line for line in found.notes), found.notes
    assert not any("begin with" in line or "invisible" in line for line in score_text(FIVE, FIVE, resamples=0).notes)


def test_placeholders_that_no_reply_has_are_named(tiny: Corpus) -> None:
    """In any other spelling, `(phone)` too: five references have the placeholder, no reply has."""
    key = "tin0001"
    scorer = MwzScorer({key: ["NAME PHONE here"] * 5}, {key: {}}, {key: [{}] * 5}, {key: [()] * 5}, tiny.database)
    notes = scorer.score({key: [{"response": f"[name] (phone) here {n}"} for n in range(5)]}, resamples=0).notes
    assert any(note.startswith("placeholders that no reply has: PHONE (5 in the references)") for note in notes), notes


@pytest.mark.parametrize(
    ("turn", "note"),
    [
        ({"State": {}}, "the key 'State' of 3 turns is not read (did you mean 'state'?)"),
        ({"belief_state": {}}, "the key 'belief_state' of 3 turns is not read (did you mean 'state'?)"),
        ({"state": {"hotel": {"area": "a", "Area": "b"}}},
         "slots given again in another spelling: 3, the first in dialogue tin0001, turn 0, hotel; the last counts"),
        ({"active_domains": []}, "dialogues without any active domain: 2 of 2"),
    ],
)  # fmt: skip
def test_what_of_a_turn_is_not_read_is_named(turn: dict[str, Any], note: str, tiny: Corpus) -> None:
    gold = gold_replies(tiny.splits["train"])
    predictions = {key: [{**one, **turn} for one in turns] for key, turns in gold.items()}
    notes = MwzScorer.from_corpus(tiny, "train").score(predictions, resamples=0).notes
    assert any(line.startswith(note) for line in notes), notes


@pytest.mark.parametrize("text", ["Botany is fun", "The system: it works", "<name>", "a < s >", None, 3])
def test_other_texts_have_no_stray_note(text: Any) -> None:
    assert stray_notes([text]) == []


@pytest.mark.parametrize(
    "text", ["你好，请问有什么可以帮您", "สวัสดี ครับ ผม ไป", "مرحبا كيف حالك اليوم", "Привет мир , как дела", "…"]
)
def test_rouge_without_latin_letters_is_zero_and_noted(text: str) -> None:
    scores = score_text([text, "a b c d e"], [text, "a b c d e"], resamples=0)
    assert (scores.rouge1, scores.exact_match) == (50.0, 100.0)
    assert any(
        "no word in 1 of 2 references and 1 of 2 replies" in n and "(1 equal pair too)" in n for n in scores.notes
    )


def test_short_and_empty_replies_are_counted(tiny: Corpus) -> None:
    short = score_text(["yes", "ok then", ""], ["yes", "ok then", "no"], resamples=0)
    assert short.bleu == 0.0 and any("under 4 tokens: 3 of 3; they have no 4-gram, and" in note for note in short.notes)
    assert (
        "replies without a word: 1 of 3 (1 of them empty); their length is 0, and every score of them too"
        in short.notes
    )
    empty = {key: [{"response": "[nonsense]" if n else ""} for n, _ in enumerate(turns)]
             for key, turns in gold_replies(tiny.splits["train"]).items()}  # fmt: skip
    scores = MwzScorer.from_corpus(tiny, "train").score(empty, resamples=0)
    assert scores.richness["avg_lengths"] == 1.0
    assert any("replies without a word: 3 of 3 (3 of them empty); each counts as one word" in n for n in scores.notes)
    long = score_text(["one two three four"], ["one two three four"], resamples=0)
    assert long.bleu == pytest.approx(100) and long.notes == ()


SERVICE = {
    "service_name": "Inns_1",
    "slots": [
        {"name": "town", "is_categorical": False},
        {"name": "nights", "is_categorical": True, "possible_values": ["1", "2"]},
    ],
    "intents": [{"name": "FindInn"}],
}


@pytest.mark.parametrize(
    ("ours", "note"),
    [
        (frame("Inns_1", "FindInn", Town="Tolvey"), "slots outside the schema: 1: Inns_1/Town 1x (did you mean town?)"),
        (frame("Inns_1", "findinn"), "intents outside the schema: 1: Inns_1/findinn 1x (did you mean FindInn?)"),
        (
            frame("Inns_1", "NONE", ("twon",)),
            "requested slots outside the schema: 1: Inns_1/twon 1x (did you mean town?)",
        ),
        (frame("Inns_1", "NONE", nights="two"), "categorical values outside the schema: 1: Inns_1/nights/two 1x"),
    ],
)
def test_sgd_names_outside_the_schema_are_noted(ours: dict[str, Any], note: str) -> None:
    gold = dialogue(user(frame("Inns_1", "FindInn", town="Tolvey")))
    scores = SgdScorer({"a": gold}, [SERVICE], SEEN).score({"a": dialogue(user(ours))}, resamples=0)
    assert any(note in line for line in scores.notes), scores.notes


@pytest.mark.parametrize(
    ("output", "right", "note"),
    [
        ("F(x=1)", False, "called functions that are not on offer: 1: F 1x (did you mean f?)"),
        ("g_h(x=1)", False, "g_h 1x (did you mean g.h?)"),
        ("f(x=1, Y='a')", False, "arguments that the function does not have: 1: f(Y) 1x (did you mean y?)"),
        ("f(x=1)</s>", False, "control tokens written out in 1 of 1 outputs: </s> 1x"),
        ("Assistant: f(x=1)", False, "a role before 1 of 1 outputs: Assistant: 1x"),
    ],
)
def test_calls_not_on_offer_and_stray_text_are_noted(output: str, right: bool, note: str) -> None:
    scores = score_calls([item("simple_python", ("f", [1]))], {"simple_python_0": output}, resamples=0)
    assert (scores.accuracy["overall"] == 100) is right and any(note in line for line in scores.notes), scores.notes


@pytest.mark.parametrize(("value", "noted"), [("1.5", True), ("-15", True), ("15", False), ("1 5", True)])
def test_texts_right_by_the_string_rule_alone_are_noted(value: str, noted: bool) -> None:
    """The leaderboard deletes marks: right there, whatever the number was."""
    raw = {"name": "f", "parameters": {"type": "dict", "properties": {"y": {"type": "string"}}, "required": ["y"]}}
    one = CallItem("simple_python_0", "simple_python", (), (read_function(raw, "t"),), (Expected("f", {"y": ("15",)}),))
    scores = score_calls([one], {"simple_python_0": f"f(y='{value}')"}, resamples=0)
    assert scores.accuracy["overall"] == 100.0
    assert any(f"{value} for 15 1x" in note for note in scores.notes) is noted

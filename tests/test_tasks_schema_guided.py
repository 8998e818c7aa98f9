"""The task schema_guided: questions and allowed answers, training examples, refusals, and the scores of calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import lab
from exemplar_dialogues import write_sgd
from static_embedder import static_embedder

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import call_text
from lab_lib.decoding.grammar import Grammar
from lab_lib.errors import LabError
from lab_lib.evaluation.config import EvaluateConfig
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.exemplars.make import make_exemplar
from lab_lib.exemplars.recognise import Recogniser
from lab_lib.exemplars.select import words_of
from lab_lib.exemplars.types import DONTCARE, NONE, UNKNOWN, Context
from lab_lib.files import read_json, read_jsonl
from lab_lib.models.hub import find_source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.retrieval.index import load_index
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.tasks.schema_guided_answers import Answers, gold_text, value_answers
from lab_lib.tasks.schema_guided_data import GuidedItem
from lab_lib.tasks.schema_guided_learn import cases, gold_answer
from lab_lib.tasks.schema_guided_retrieval import shown_for
from lab_lib.tasks.schema_guided_rows import gold_call
from lab_lib.tasks.schema_guided_scores import score_guided
from lab_lib.tasks.schema_guided_text import Said, Shown, Style, questions, said_text, slot_questions
from lab_lib.tasks.splits import load_splits

RECIPE = "understand-desk-cpu"
WORDS = ("task.retrieval.exemplars=tfidf", "task.retrieval.descriptions=tfidf", "task.exemplars=8", "task.wanted=0.8")
STYLES = [Style(), Style(slots="all"), Style(names=False), Style(names=False, slots="all")]
DESK = load_exemplars("desk").part("train")


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(find_source("lab-tiny"))[0]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A task of the recipe, prepared without a model, and its items."""
    task = make_task(load_recipe(RECIPE, WORDS))
    splits, folder = load_splits(task), tmp_path_factory.mktemp("prepared")
    task.prepare(splits, folder, lambda line: None)
    task.prepared = folder
    return task, splits


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_gold_answers_are_allowed_and_give_back_the_call(style, tokenizer):
    grammars = {}
    for one in DESK.exemplars[::3]:
        shown = Shown((one.target_name, "pay_fine", "find_book"), DESK.exemplars[::9])
        shown = Shown(tuple(dict.fromkeys(shown.functions)), shown.exemplars)
        talk = questions(Said.of(one), shown, DESK.functions, style)
        question, unsaid = next(talk), False
        try:
            while True:
                text = gold_answer(one, one.target_name, question, shown, DESK.functions, style, {})
                unsaid = unsaid or one.key.endswith("049")  # "my wife and me" are 2 people
                if not unsaid:
                    assert question.answers.allows(text)
                    if one in DESK.exemplars[::30]:
                        lark = question.answers.lark(" ")
                        constraint = grammars.setdefault(lark, Grammar(lark, tokenizer)).constraint()
                        ids = tokenizer(f" {text}", add_special_tokens=False)["input_ids"]
                        assert all(ids[place] in constraint.allowed(ids[:place]) for place in range(len(ids)))
                        assert tokenizer.eos_token_id in constraint.allowed(ids)
                question = talk.send(text)
        except StopIteration as end:
            item = GuidedItem(one)
            scores = score_guided([item], {item.key: [{"response": call_text(end.value)}]}, EvaluateConfig(resamples=0))
            assert unsaid or scores.values["exact"] == 100


def test_an_answer_that_is_not_on_offer_is_none_and_no_value():
    shown = Shown(("find_book", "renew_loan"))
    talk = questions(Said("Mara Tennant, please"), shown, DESK.functions, Style())
    next(talk)
    with pytest.raises(StopIteration) as end:
        talk.send("pay_fine")
    assert end.value.value == Call(NONE, {})
    talk = questions(Said("Mara Tennant, please"), shown, DESK.functions, Style())
    next(talk)
    question = talk.send("find_book")
    said = {"author": "mara tennant", "title": "Mar", "format": "stone"}  # words, half a word, no option
    with pytest.raises(StopIteration) as end:
        while True:
            question = talk.send(said.get(question.slot, "null"))
    assert end.value.value == Call("find_book", {"author": "mara tennant"})


@pytest.mark.parametrize(
    ("values", "context", "slot", "recognised", "expected"),
    [
        ((True,), Context("find_class", "free"), "free", (), "affirmed"),
        ((False,), Context(), "free", (), "negated"),
        ((DONTCARE,), Context(), "free", (), "indifferent"),
        ((), Context(), "free", (), "irrelevant"),
        ((DONTCARE,), Context(), "activity", (), "indifferent"),
        (("Yoga",), Context(), "activity", (), "yoga"),  # as spelt in the utterance
        (("tango",), Context(), "activity", (), None),  # nobody said it
        (("Hatha",), Context(), "activity", ("Hatha", "Vinyasa"), "Hatha"),  # a recogniser's value
    ],
)
def test_the_right_answer_about_a_slot(values, context, slot, recognised, expected):
    function = DESK.functions["find_class"].function
    booleans = [one for one in function.parameters if one.type == "boolean"]
    parameter = booleans[0] if slot == "free" else next(one for one in function.parameters if one.name == slot)
    arguments = {parameter.name: values} if values else {}
    one = make_exemplar("k", "some yoga please", "find_class", arguments, UNKNOWN, context)
    assert gold_text(one, parameter, recognised) == expected
    answers = value_answers(parameter, one.utterance, recognised)
    assert expected is None or answers.allows(expected)


def test_answers_and_what_was_said():
    both = Answers(("null",), "two to Rome, please", several=True)
    assert both.allows("two | Rome") and not both.allows("two | Ro") and not both.allows("")
    pairs = Answers(("nothing",), pairs=(("to", Answers(("null",), "to Rome")), ("day", Answers(("Monday",)))))
    assert pairs.allows("to=Rome; day=Monday") and not pairs.allows("day=Sunday") and pairs.allows("nothing")
    assert Recogniser("to", {"NYC": ("New York",), "York": ()}).found("new york, York") == ("NYC", "York")
    with pytest.raises(LabError, match="no regular expression"):
        Recogniser("to", pattern="(")
    said = Said("great, book it", Context("find_hotel"))
    assert said_text(said, {}, Style()) == "(find_hotel) great, book it"
    assert said_text(said, {"find_hotel": "2"}, Style(names=False)) == "(2) great, book it"
    assert said_text(said, {}, Style(names=False)) == said_text(said, {}, Style(context=False)) == "great, book it"


def test_examples_supervise_answers_alone_and_never_show_the_utterance_itself(prepared, tokenizer):
    task, splits = prepared
    for item in splits.train[::7]:
        shown = task.shown(item)
        assert item.exemplar.utterance not in {one.utterance for one in (*shown.exemplars, *shown.pool)}
        for example in task.examples(item, tokenizer):
            supervised = [id for id, counts in zip(example.ids, example.loss_mask, strict=True) if counts]
            assert len(supervised) < 40 and supervised[-1] == tokenizer.eos_token_id
    learned = task._learned(splits.train, task.retrieved)
    assert learned.functions > len(splits.train) and learned.unsaid == 1


def test_the_number_of_exemplars_does_not_tell_which_answer_is_right(prepared):
    """Prompts without the right function, or without its exemplars, show as many exemplars as the others."""
    task, splits = prepared
    settings = replace(task.config, without_right=1.0, without_exemplars=0.5)
    owns: list[int] = []
    for item in splits.train:
        others = [one for one in DESK.exemplars if one.key != item.key]
        pool = tuple(sorted(others, key=lambda one: one.target_name != item.target))  # its own function first
        names = dict.fromkeys([*([item.target] if not item.kind else []), "find_book", "renew_loan", "pay_fine"])
        shown = Shown(tuple(names), tuple(one for one in pool if one.target_name in names)[:4], pool)
        found = list(cases(item, shown, task.functions("train"), settings, {}, 0))
        asked = [one for one in found if not one.question.function]
        sizes = {sum(message.example for message in one.question.messages) for one in asked}
        assert sizes == {2 * len(shown.exemplars)} and len(asked) == (1 if item.kind else 2)
        options = [one.question.answers.options for one in asked]
        assert {len(row) for row in options} == {len(options[0])}
        if not item.kind:
            answers = [one.text for one in asked[0].question.messages if one.example and one.role == "assistant"]
            owns.append(answers.count(item.target))
    assert 0.3 < owns.count(0) / len(owns) < 0.7 and max(owns) > 1


def test_random_exemplars_are_of_functions_on_offer_and_never_the_utterance(prepared):
    task, splits = prepared
    retriever, _ = load_index(task.prepared / "index")
    said = [item.said for item in splits.reported[:20]]
    near, drawn = (shown_for(retriever, said, 4, 4, choice) for choice in ("nearest", "random"))
    assert [one.functions for one in near] == [one.functions for one in drawn]
    for one, other, asked in zip(near, drawn, said, strict=True):
        assert len(other.exemplars) == len(one.exemplars) and {x.target_name for x in other.exemplars} <= {
            *one.functions
        }
        assert words_of(asked.utterance) not in {words_of(x.utterance) for x in other.exemplars}
    assert near != drawn


def test_only_slots_of_the_service_are_asked_for_and_shown_where_they_are_said():
    skill = DESK.functions["find_book"]
    book = next(one for one in DESK.exemplars if one.target_name == "find_book" and "title" in one.target_arguments)
    shown = Shown(("find_book",), (book,))
    whole = slot_questions(Said("a book"), shown, skill, Style())
    some = slot_questions(Said("a book", slots={"find_book": frozenset({"title"})}), shown, skill, Style())
    assert len(whole) == len(skill.function.parameters) > len(some) == 1 and some[0].slot == "title"
    for question in whole:
        said = question.slot in book.target_arguments
        assert sum(message.example for message in question.messages) == 2 * said


def test_a_turn_that_continues_a_request_teaches_slots_alone(tmp_path):
    """Training on dialogues in the layout of SGD; a hidden family is neither on offer nor taught as none."""
    task = make_task(load_recipe(RECIPE, (*WORDS, f"data.corpus={write_sgd(tmp_path / 'sgd')}", "data.train=dev",
                                          "data.dev=dev", "task.continued=5")))  # fmt: skip
    items = task.load()["dev"]
    going = [item for item in items if item.continues]
    assert going and all(item.key.endswith(".slots") and not item.kind for item in going)
    functions = task.functions("dev")
    for item in going:
        found = list(cases(item, Shown(tuple(functions)), functions, task.config, {}, 0))
        assert found and all(one.question.function == item.target for one in found)
    hidden = make_task(load_recipe(RECIPE, (*WORDS, f"data.corpus={tmp_path / 'sgd'}", "data.train=dev", "data.dev=dev",
                                            "task.continued=5", "task.unseen=[Inns]")))  # fmt: skip
    assert not hidden.corpus.of_families(["Inns"]) & set(hidden.functions("dev"))
    assert "Inns" not in {item.exemplar.provenance.family for item in hidden.load()["dev"]}
    assert hidden.corpus.of_families(["Inns"]) <= set(hidden.corpus.later[0])


def test_a_conversation_ends_with_the_call_of_its_answers(prepared, tokenizer):
    task, splits = prepared
    item = next(one for one in splits.reported if len(one.exemplar.target_arguments) == 2 and one.known)
    talk = task.converse(item, tokenizer)
    prompts = [next(talk)]
    while prompts[-1].asks != "reply":
        prompts.append(talk.send(None))
    (gold,) = task.gold_conversation(item, tokenizer)
    assert [one.asks for one in prompts[:2]] == ["function", "slot"] and gold.ids == prompts[-1].ids
    assert gold.turn == prompts[-1].turn == 0
    written = []
    while written[-1:] != [tokenizer.eos_token_id]:
        written += list(prompts[-1].constraint.allowed(written))
    assert tokenizer.decode(written, skip_special_tokens=True).strip() == call_text(gold_call(item))


def test_rows_without_a_generator_and_families(prepared):
    task, splits = prepared
    rows = {row.name: row for row in task.baselines(splits.reported, splits.train, 0)}
    assert list(rows)[:2] == ["gold calls", "always none"] and "best description" in rows
    scores = {
        name: task.score(splits.reported, row.predictions, EvaluateConfig(resamples=0)) for name, row in rows.items()
    }
    assert set(scores["gold calls"].values.values()) == {100.0}
    assert scores["always none"].values["none_recall"] == 100 and scores["always none"].values["function"] == 0
    assert 0 < scores["nearest exemplar"].values["function"] < 100
    away = make_task(load_recipe(RECIPE, (*WORDS, "task.away=[Library]", "task.unseen=[Leisure]")))
    items = away.load()
    assert not {"find_book", "reserve_book"} & set(away.functions("test"))
    assert {one.exemplar.provenance.family for one in items["test"] if one.kind == "away"} == {"Library"}
    hidden = {one.target for one in items["test"] if not one.known and not one.kind}
    assert hidden & away.corpus.of_families(["Leisure"]) and not hidden & {one.target for one in items["train"]}


def test_a_run_tunes_its_embedder_once_and_its_index_moves_with_it(tmp_path: Path):
    texts = [*(one.utterance for one in DESK.exemplars), *(one.text for one in DESK.documents)]
    start = static_embedder(tmp_path / "start", texts)
    tunes = f"{{start: {start}, steps: 8, batch: 8, evaluate_every: 2, learning_rate: 0.05}}"
    settings = (
        "task.retrieval.exemplars=embedding",
        f"task.embedder={tunes}",
        "task.wanted=0",
        "task.unseen=[Leisure]",
    )
    task, lines = make_task(load_recipe(RECIPE, settings)), []
    splits = load_splits(task)
    for place in ("prepared.tmp", "prepared"):  # the first call was killed after its embedder was complete
        (tmp_path / "run" / place).mkdir(parents=True)
        task.prepare(splits, tmp_path / "run" / place, lines.append)
    tuned = read_json(tmp_path / "run" / "embedder" / "training.json")
    assert tuned["tuned"]["recall"] >= tuned["untuned"]["recall"]
    assert sum("the embedder is complete" in line for line in lines) == 1
    learned = next(line for line in lines if line.startswith("embedder: "))
    assert learned.split()[1] == str(len(task.corpus.learned)) and not {one.provenance.family for one in
                                                                        task.corpus.learned} & {"Leisure"}  # fmt: skip
    (tmp_path / "run").rename(tmp_path / "moved")
    retriever, functions = load_index(tmp_path / "moved" / "prepared" / "index")
    assert Path(retriever.config.embeddings) == tmp_path / "moved" / "embedder" / "model"
    assert task.corpus.of_families(["Leisure"]) <= set(functions)  # on offer later, with descriptions alone
    with pytest.raises(LabError, match="uses embeddings"):
        load_recipe(RECIPE, (*WORDS, "task.embedder={}"))


def test_none_has_precision_and_recall_by_kind():
    asks = GuidedItem(DESK.exemplars[0])
    easy, hard = (
        next(GuidedItem(one, kind) for one in DESK.nones if one.provenance.kind == kind) for kind in ("easy", "hard")
    )
    answers = {asks.key: "none()", easy.key: "none()", hard.key: "find_book()"}
    found = score_guided([asks, easy, hard], {k: [{"response": v}] for k, v in answers.items()}, EvaluateConfig(10, 0))
    wanted = {"none_recall": 50, "none_precision": 50, "none_recall_easy": 100, "none_precision_easy": 50,
              "none_recall_hard": 0, "exact": 0}  # fmt: skip
    assert {name: found.values[name] for name in wanted} == wanted and "none_recall_away" not in found.values
    assert found.per_item[hard.key].causes == ("none for hard",)
    assert np.allclose(found.of_counts(found.counts.sum(axis=0))["none_recall"], 50)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ("task.wanted=0.99", "task.exemplars=0", "task.descriptions=1"),
            "expected 99.00 %; run `lab understand find-k`",
        ),
        (("task.away=[Librarys]",), "no family 'Librarys'; did you mean 'Library'?"),
        (("data.hold_out=5",), "set it to 0"),
        (("task.descriptions=0",), "task.descriptions=0: expected at least 1"),
        (("task.without_exemplars=2",), "a share between 0 and 1"),
    ],
)
def test_what_is_refused_before_anything_is_trained(tmp_path: Path, capsys, settings, message):
    given = (*WORDS, *settings, "model.dtype=auto", "model.attention=auto")
    assert lab("train", RECIPE, *given, "--out", tmp_path / "run") == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run" / "adapter").exists() and not (tmp_path / "run" / "prepared").exists()


def test_a_prepared_folder_holds_the_index_and_what_was_retrieved(prepared):
    task, splits = prepared
    rows = read_jsonl(task.prepared / "retrieved.jsonl")
    assert {row["key"] for row in rows} == {one.key for one in (*splits.train, *splits.dev, *splits.reported)}
    assert (task.prepared / "index" / "index.json").exists()
    asking = next(row for row in rows if row["chosen"])
    assert asking["functions"][0] == asking["chosen"]["nearest exemplar"]

"""Calls that follow the schema of a corpus (`task.calls=constrained`): what may be written, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_llama

from lab_lib.calls.call import Call, render_calls
from lab_lib.corpora.load import load_corpus
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_answers
from lab_lib.errors import LabError
from lab_lib.models.hub import find_source
from lab_lib.prompts.belief import gold_turns, read_calls, state_functions
from lab_lib.prompts.encode import answer_text
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.runs.preflight import preflight
from lab_lib.tasks.response_grammar import state_grammar

RECIPE = "town-end-to-end-cpu"
CONSTRAINED = "task.calls=constrained"


@pytest.fixture(scope="module")
def tokenizer():
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(find_source("lab-tiny").folder)


@pytest.fixture(scope="module")
def town():
    pytest.importorskip("llguidance")
    return load_corpus("town")


@pytest.fixture(scope="module")
def grammar(town, tokenizer):
    from lab_lib.decoding.grammar import Grammar

    return Grammar(state_grammar(state_functions(town.schema)), tokenizer)


def the_task(town, *given: str) -> Any:
    """Return the task of the recipe, whose corpus is there already."""
    task: Any = make_task(load_recipe(RECIPE, given))
    task.corpus = town
    return task


def accepts(grammar, tokenizer, text: str) -> bool:
    """Return whether the grammar has a text as a whole: each of its tokens may follow, and EOS at the end."""
    constraint, ids = grammar.constraint(), tokenizer(text, add_special_tokens=False)["input_ids"]
    every = [*ids, tokenizer.eos_token_id]
    return all(every[place] in constraint.allowed(every[:place]) for place in range(len(every)))


def test_all_gold_calls_of_the_town_can_be_written(town, grammar, tokenizer):
    texts = {render_calls(turn.calls) for split in town.splits.values() for d in split for turn in gold_turns(d)}
    refused = [text for text in sorted(texts) if not accepts(grammar, tokenizer, text)]
    assert len(texts) > 900 and not refused, refused[:3]


FIND, BOOK = 'find_hotel(area="harbour")', 'book_hotel(day="monday", people="2")'


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("[]", True),
        (FIND, True),
        (f"[{FIND}, {BOOK}]", True),
        ("find_hotel()", True),
        (render_calls([Call("find_hotel", {"name": "O'Hare \"\\ Inn é"})]), True),
        ('find_hotel(area="moon")', False),
        ('find_hotel(size="9")', False),
        ('find_castle(area="harbour")', False),
        ('book_hotel(people="2", day="monday")', False),  # by alphabet: one state has one text
        ('find_hotel(name="")', False),
        ('find_hotel(name=" ")', False),
        (f'find_hotel(name="{"x" * 61}")', False),
        (f"[{FIND}]", False),  # a single call stands alone
        (f"{FIND} ", False),
        (f"[{', '.join([FIND] * 30)}]", False),
        ("none()", False),
        ("", False),
    ],
)
def test_what_the_grammar_has(text, possible, grammar, tokenizer):
    assert accepts(grammar, tokenizer, text) == possible


@pytest.mark.parametrize("seed", [0, 1])
def test_a_model_that_knows_no_calls_writes_none_but_right_ones(town, tokenizer, tmp_path, seed):
    """Random weights: without the grammar nothing they write is a call."""
    from transformers import AutoModelForCausalLM

    folder = tiny_llama(tmp_path, seed, vocab_size=4096, max_position_embeddings=4096)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    functions, found = state_functions(town.schema), {}
    for calls, longest in (("free", 40), ("constrained", 1500)):
        task = the_task(town, f"task.calls={calls}")
        asked = [next(task.converse(item, tokenizer)) for item in town.splits["test"][:3]]
        answers = generate_answers(model, tokenizer, asked, DecodeConfig(max_new_tokens=longest))
        found[calls] = [read_calls(answer_text(ids, tokenizer), functions) for ids in answers]
    assert all(problems for _, problems in found["free"])
    assert not any(problems for _, problems in found["constrained"]) and any(made for made, _ in found["constrained"])


def test_nothing_is_constrained_unless_it_is_asked_for(town, tokenizer):
    for given, constrained in (([], False), ([CONSTRAINED], True)):
        task = the_task(town, *given)
        talk = task.converse(town.splits["test"][0], tokenizer)
        call, reply = next(talk), talk.send((tokenizer.eos_token_id,))
        assert (call.constraint is not None) == constrained and reply.constraint is None


def test_what_cannot_be_constrained_is_refused(monkeypatch, tmp_path):
    with pytest.raises(LabError, match=r"task\.calls=constrained needs task\.predict_state"):
        load_recipe("town-qlora-cpu", [CONSTRAINED])
    monkeypatch.setattr("lab_lib.decoding.grammar.find_spec", lambda name: None)
    config = load_recipe(RECIPE, [CONSTRAINED, f"data.corpus={write_tiny_corpus(tmp_path / 'corpus')}"])
    with pytest.raises(LabError, match=r"task\.calls=constrained: the package llguidance is not installed"):
        preflight(config, make_task(config), ("finetuned", "report"))

"""Decoding end to end: calls are asked for before replies, by every way of decoding, and rows say what was called."""

from __future__ import annotations

import json
from functools import partial

import pytest
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_llama

from lab_lib.corpora.multiwoz import read_multiwoz
from lab_lib.corpora.types import Corpus
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.conversations import decode_conversations
from lab_lib.decoding.generate import generate_batch, generate_replies
from lab_lib.decoding.predictions import decode_to_file, export_mwzeval, read_predictions
from lab_lib.evaluation.mwz import MwzScorer
from lab_lib.files import read_json, read_jsonl
from lab_lib.prompts.config import PromptConfig
from lab_lib.prompts.dialogue import dialogue_messages, dialogue_prompts
from lab_lib.prompts.dialogue_config import DialogueConfig
from lab_lib.prompts.encode import answer_text
from lab_lib.prompts.end_to_end import BackEnd, converse_end_to_end
from lab_lib.prompts.plain import PlainLayout

PROMPT, CALLS = PromptConfig(max_tokens=400), DialogueConfig(predict_state=True, database=True)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """A tiny model in float64, so that equal means equal."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_llama(tmp_path_factory.mktemp("model"))
    model = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    return model, AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Corpus:
    folder = write_tiny_corpus(tmp_path_factory.mktemp("corpus"))
    return read_multiwoz(folder, folder, "tiny")


def everything(corpus: Corpus, tokenizer, own: bool = False, room: int = 8):
    """All dialogues of the corpus: (gold prompts, how to start each conversation)."""
    dialogues = [d for split in corpus.splits.values() for d in split]
    back_end = BackEnd.of(corpus)
    todo = [p for d in dialogues for p in dialogue_prompts(d, tokenizer, PROMPT, CALLS, back_end.database, room)]
    start = {d.key: partial(converse_end_to_end, d, tokenizer, PROMPT, CALLS, back_end, room, own) for d in dialogues}
    return todo, start


@pytest.mark.parametrize("own", [False, True], ids=["gold history", "own history"])
@pytest.mark.parametrize("changes", [{}, {"beams": 2}, {"batch_size": 1}], ids=["one cache", "beams", "one by one"])
def test_answers_are_those_of_asking_one_prompt_after_the_other(loaded, tiny, own, changes):
    """Calls are greedy whatever the strategy: with beams only the replies are searched for."""
    model, tokenizer = loaded
    config = DecodeConfig(max_new_tokens=8, history="own" if own else "gold", **changes)
    todo, start = everything(tiny, tokenizer, own)
    expected = {}
    for key, begin in start.items():
        talk = begin()
        prompt = next(talk)
        while prompt:
            settings = config if prompt.asks == "reply" else DecodeConfig(max_new_tokens=8)
            (ids,) = generate_batch(model, tokenizer, [prompt.ids], settings)
            if prompt.asks == "reply":
                expected[key, prompt.turn] = (answer_text(ids, tokenizer), prompt.facts)
            try:
                prompt = talk.send(ids)
            except StopIteration:
                prompt = None
    replies = list(generate_replies(model, tokenizer, todo, config, converse=start))
    assert {(r.key, r.turn): (r.response, r.facts) for r in replies} == expected
    assert len(expected) == len(todo) == 6 and all(facts["call"] for _, facts in expected.values())


def test_rows_carry_call_state_and_problems_and_an_interrupted_file_goes_on(loaded, tiny, tmp_path):
    model, tokenizer = loaded
    config = DecodeConfig(max_new_tokens=8, batch_size=1)
    todo, start = everything(tiny, tokenizer)
    whole = decode_to_file(model, tokenizer, todo, config, tmp_path / "whole.jsonl", converse=start)
    rows = read_jsonl(whole)
    assert set(rows[0]) == {"dialogue", "turn", "response", "tokens", "stopped", "call", "state", "problems"}
    assert [(row["dialogue"], row["turn"]) for row in rows] == [(prompt.key, prompt.turn) for prompt in todo]
    assert all(row["state"] == {} and row["problems"][0].startswith("malformed: ") for row in rows)  # random weights

    # One dialogue is complete, another was cut in its second row.
    done = [row for row in rows if row["dialogue"] in ("tin0004", "tin0001")][:3]
    text = "".join(json.dumps(row) + "\n" for row in done)
    (tmp_path / "killed.jsonl.partial").write_text(text + '{"dialogue": "tin')
    written = []
    decode_to_file(model, tokenizer, todo, config, tmp_path / "killed.jsonl", written.append, start)
    assert sum(written) == len(todo)
    assert (tmp_path / "killed.jsonl").read_bytes() == whole.read_bytes()


def test_a_model_that_writes_the_gold_answers_scores_as_the_gold_states_do(loaded, tiny, tmp_path):
    """Only the weights are left out: `decode_conversations` holds the conversations and a script answers."""
    _, tokenizer = loaded
    back_end = BackEnd.of(tiny)
    (dialogue,) = tiny.splits["test"]
    messages = dialogue_messages(dialogue, PROMPT, CALLS, back_end.database)
    pieces = PlainLayout(tokenizer, PROMPT).pieces(messages)
    script = {(piece.message.name or "reply", piece.message.turn): list(piece.supervised) for piece in pieces}
    rows = [
        {"response": answer_text(ids, tokenizer), **prompt.facts}
        for prompt, ids in decode_conversations(
            [converse_end_to_end(dialogue, tokenizer, PROMPT, CALLS, back_end)],
            None,
            lambda asked: [script[prompt.asks, prompt.turn] for prompt in asked],
        )
        if prompt.asks == "reply"
    ]
    predictions = {dialogue.key: rows}
    scorer = MwzScorer.from_corpus(tiny, "test")
    own = scorer.score(predictions, resamples=0)
    gold = scorer.score({dialogue.key: [{"response": row["response"]} for row in rows]}, resamples=0)
    assert "states:given" in own.signature and "states:gold" in gold.signature
    assert (own.bleu, own.inform, own.success, own.per_dialogue) == (
        gold.bleu, gold.inform, gold.success, gold.per_dialogue,
    )  # fmt: skip
    assert round(scorer.score_states(predictions).joint_accuracy, 6) == 100

    # The same rows through a file and through the layout of the published scorer.
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"dialogue": "tin0004", "turn": n, **row}) + "\n" for n, row in enumerate(rows)))
    assert read_predictions(path)["tin0004"][1]["state"] == {"restaurant": {"food": "indian"}}
    assert read_json(export_mwzeval(read_predictions(path), tmp_path / "out.json"))["tin0004"][0]["state"]

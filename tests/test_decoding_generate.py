"""Generation: batch = single, replies by position, settings that are complete, prediction files that resume."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from tiny_models import tiny_llama

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_batch, generate_replies, same_answers
from lab_lib.decoding.generation_config import generation_config
from lab_lib.decoding.predictions import (
    decode_to_file,
    export_mwzeval,
    read_predictions,
    write_predictions,
)
from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_llama(tmp_path_factory.mktemp("model"))
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def prompt_ids(count: int) -> list[list[int]]:
    """Prompts of very different lengths; token 0 (pad) occurs inside on purpose."""
    return [[1, *((7 * n + 3 * i) % 300 for i in range(2 + 5 * n)), 0, 9] for n in range(count)]


def test_a_batch_gives_what_single_prompts_give(loaded):
    model, tokenizer = loaded
    rows, config = prompt_ids(7), DecodeConfig(max_new_tokens=12)
    batch = generate_batch(model, tokenizer, rows, config)
    assert batch == [generate_batch(model, tokenizer, [row], config)[0] for row in rows]
    assert len({tuple(row) for row in batch}) > 3  # the prompts matter


def test_generation_stops_at_eos_and_pads_nothing_into_the_reply(loaded):
    import torch

    model, tokenizer = loaded
    bias = torch.nn.Parameter(torch.zeros(320))
    bias.data[tokenizer.eos_token_id] = 1e4  # EOS is now always the likeliest token
    model.lm_head.bias = bias
    try:
        replies = generate_batch(model, tokenizer, prompt_ids(3), DecodeConfig(max_new_tokens=12))
        forced = generate_batch(model, tokenizer, prompt_ids(2), DecodeConfig(max_new_tokens=12, min_new_tokens=5))
    finally:
        model.lm_head.bias = None
    assert replies == [[tokenizer.eos_token_id]] * 3
    assert [len(row) for row in forced] == [6, 6]


def test_the_generation_config_is_complete_whatever_the_checkpoint_says(loaded):
    _, tokenizer = loaded
    greedy = generation_config(DecodeConfig(), tokenizer)
    assert (greedy.eos_token_id, greedy.pad_token_id, greedy.do_sample) == (2, 0, False)
    beams = generation_config(DecodeConfig(beams=2, length_penalty=0.5), tokenizer)
    assert (beams.num_beams, beams.length_penalty, beams.early_stopping) == (2, 0.5, True)
    drawn = generation_config(DecodeConfig(sample=True, top_p=0.9, beams=2), tokenizer)
    assert (drawn.do_sample, drawn.num_beams) == (False, 1)  # ours: drawn by noise that follows the dialogue


@pytest.mark.parametrize(
    "config",
    [
        DecodeConfig(sample=True, temperature=0.8, top_k=20, max_new_tokens=6),
        DecodeConfig(sample=True, top_p=0.8, max_new_tokens=6),
        DecodeConfig(sample=True, min_p=0.05, max_new_tokens=6),
        DecodeConfig(sample=True, typical_p=0.9, max_new_tokens=6),
        DecodeConfig(sample=True, beams=2, max_new_tokens=6),
        DecodeConfig(beams=3, length_penalty=1.2, max_new_tokens=6),
        DecodeConfig(repetition_penalty=1.3, no_repeat_ngram=2, max_new_tokens=6),
    ],
    ids=["top-k", "top-p", "min-p", "typical", "beam sampling", "beams", "penalties"],
)
def test_every_strategy_runs_and_repeats_with_its_seed(loaded, config):
    model, tokenizer = loaded
    todo = [Prompt(tuple(ids), f"d{n}", 0) for n, ids in enumerate(prompt_ids(4))]
    once = [(r.key, r.response, r.tokens) for r in generate_replies(model, tokenizer, todo, config)]
    again = [(r.key, r.response, r.tokens) for r in generate_replies(model, tokenizer, todo, config)]
    assert once == again and len(once) == 4 and all(tokens <= 6 for *_, tokens in once)


def test_a_sampled_reply_depends_on_its_dialogue_and_seed_not_on_its_batch(loaded):
    model, tokenizer = loaded
    todo = [Prompt(tuple(ids), f"d{n}", n) for n, ids in enumerate(prompt_ids(5))]

    def replies(prompts, **knobs):
        config = DecodeConfig(sample=True, temperature=1.5, max_new_tokens=8, **knobs)
        return {r.key: r.response for r in generate_replies(model, tokenizer, prompts, config)}

    together = replies(todo)
    assert replies(todo, batch_size=2) == together == replies(todo[::-1], batch_size=1)
    assert replies(todo[3:4]) == {"d3": together["d3"]}
    assert replies(todo, seed=1) != together


def test_equal_prompts_of_an_item_are_decoded_once_unless_they_are_sampled(loaded):
    model, tokenizer = loaded
    ids = tuple(prompt_ids(3)[2])
    asked = [Prompt(ids, "a", turn, facts={"emotion": turn}) for turn in range(3)] + [Prompt(ids[:-1], "a", 3)]
    greedy, sampled = DecodeConfig(max_new_tokens=5), DecodeConfig(max_new_tokens=5, sample=True)
    first, copies = same_answers(asked, greedy)
    assert first == [asked[0], asked[3]] and copies == {("a", 0): [asked[1], asked[2]]}
    assert same_answers(asked, sampled) == (asked, {})
    forced = [replace(prompt, constraint=object()) for prompt in asked]
    assert same_answers(forced, greedy) == (forced, {})
    done: list[int] = []
    replies = {one.turn: one for one in generate_replies(model, tokenizer, asked, greedy, done.append)}
    assert sorted(replies) == [0, 1, 2, 3] and sum(done) == 4
    assert len({replies[turn].response for turn in range(3)}) == 1
    assert [replies[turn].facts for turn in range(3)] == [{"emotion": turn} for turn in range(3)]
    left = list(generate_replies(model, tokenizer, asked, greedy, done={("a", turn) for turn in (0, 3)}))
    assert {one.turn for one in left} == {0, 1, 2, 3}  # the copies were not written yet


def test_sampling_draws_each_token_as_often_as_the_model_says(loaded):
    """First tokens of 4,000 sampled replies against the model's own probabilities, for the likeliest tokens."""
    import torch

    model, tokenizer = loaded
    row, count = prompt_ids(2)[1], 4000
    with torch.no_grad():
        wanted = model(torch.tensor([row])).logits[0, -1].softmax(-1)
    config = DecodeConfig(sample=True, max_new_tokens=1)
    drawn = generate_batch(model, tokenizer, [row] * count, config, list(range(count)))
    counts = torch.bincount(torch.tensor([ids[0] for ids in drawn]), minlength=len(wanted))
    for token in wanted.topk(5).indices.tolist():
        p = wanted[token].item()
        spread = (p * (1 - p) / count) ** 0.5  # standard deviation of a share; 5 of them: one chance in a million
        assert abs(counts[token].item() / count - p) < 5 * spread


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_p": 0.9}, "no effect without decoding.sample=true"),
        ({"length_penalty": 2.0}, "no effect without decoding.beams"),
        ({"sample": True, "temperature": 0.0}, "for greedy search set sample=false"),
        ({"min_new_tokens": 9, "max_new_tokens": 3}, "at most max_new_tokens"),
        ({"batch_size": 0}, "at least 1"),
        ({"sample": True, "top_p": 1.5}, "lie in"),
        ({"plan_bias": {"name": "abc"}}, "plan_bias: name: abc: expected a word and a finite number"),
        ({"plan_bias": {"name": True}}, "plan_bias: name: True: expected a word and a finite number"),
        ({"plan_bias": {3: 1.0}}, "plan_bias: 3: 1.0: expected a word and a finite number"),
        ({"slot_bias": float("nan")}, "slot_bias and length_penalty are finite"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(settings, message):
    with pytest.raises(LabError, match=message):
        DecodeConfig(**settings)


def test_an_empty_prompt_is_refused(loaded):
    with pytest.raises(LabError, match="empty prompt"):
        generate_batch(*loaded, [[1], []], DecodeConfig())


@pytest.mark.parametrize(
    "line",
    [
        '{"dialogue": "d1", "tur',
        "1\n",
        "{}\n",
        '{"dialogue": [], "turn": 0, "response": ""}\n',
        '{"dialogue": "d0", "turn": true, "response": "", "tokens": 1, "stopped": true}\n',
        '{"dialogue": "d0", "turn": 1, "response": 7, "tokens": 1, "stopped": true}\n',
        '{"dialogue": "d0", "turn": 1, "response": "of another program"}\n',
    ],
)
def test_an_interrupted_prediction_file_goes_on_to_the_same_file(loaded, tmp_path, line):
    model, tokenizer = loaded
    todo = [Prompt(tuple(ids), f"d{n // 2}", n % 2) for n, ids in enumerate(prompt_ids(6))]
    config = DecodeConfig(sample=True, max_new_tokens=5, batch_size=2)
    whole = decode_to_file(model, tokenizer, todo, config, tmp_path / "whole.jsonl").read_text()

    class Killed(Exception):
        pass

    def kill(done: int) -> None:
        raise Killed

    broken = tmp_path / "broken.jsonl"
    with pytest.raises(Killed):
        decode_to_file(model, tokenizer, todo, config, broken, kill)
    partial = tmp_path / "broken.jsonl.partial"
    assert not broken.exists() and len(partial.read_text().splitlines()) == 1
    with open(partial, "a") as stream:
        stream.write(line)  # the line that was being written
    assert decode_to_file(model, tokenizer, todo, config, broken).read_text() == whole
    assert not partial.exists() and len(whole.splitlines()) == 6
    assert decode_to_file(model, tokenizer, [], config, broken).read_text() == whole  # finished files are kept


def test_a_folder_that_is_removed_while_replies_are_decoded_is_one_line_and_no_new_folder(loaded, tmp_path):
    model, tokenizer = loaded
    todo = [Prompt(tuple(ids), f"d{n}", 0) for n, ids in enumerate(prompt_ids(4))]
    out = tmp_path / "run" / "predictions" / "base.jsonl"
    with pytest.raises(LabError, match=r"base\.jsonl\.partial: 4 decoded answers are missing"):
        config = DecodeConfig(max_new_tokens=2, batch_size=2)
        decode_to_file(
            model, tokenizer, todo, config, out, lambda done: shutil.rmtree(tmp_path / "run", ignore_errors=True)
        )
    assert not (tmp_path / "run").exists()


def test_a_prediction_is_its_row_without_the_bookkeeping(tmp_path):
    row = {"dialogue": "a", "turn": 0, "response": "hi", "tokens": 3, "stopped": True, "state": {}, "mood": ["glad"]}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    assert read_predictions(tmp_path / "a.jsonl") == {"a": [{"response": "hi", "state": {}, "mood": ["glad"]}]}


def test_prediction_files_convert_to_mwzeval_and_back(tmp_path):
    rows = {"mul1": [{"response": "hi [name]"}, {"response": "é", "state": {"hotel": {"area": "north"}}}]}
    write_predictions(rows, tmp_path / "a.jsonl")
    assert read_predictions(tmp_path / "a.jsonl") == rows
    export_mwzeval(read_predictions(tmp_path / "a.jsonl"), tmp_path / "b.json")
    assert json.loads((tmp_path / "b.json").read_text()) == rows == read_predictions(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"dialogue": "a", "turn": 0}\n', "row 1: expected an object"),
        ('{"dialogue": "a", "turn": 1, "response": "x"}\n', "turn 0 is missing"),
        ('{"dialogue": "a", "turn": 0, "response": "x"}\n' * 2, "occurs twice"),
        ('{"dialogue": "a", "turn": 0, "resp', "line 1"),
    ],
)
def test_malformed_prediction_files_are_refused(tmp_path, text, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(LabError, match=message):
        read_predictions(path)

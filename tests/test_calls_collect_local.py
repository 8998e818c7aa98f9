"""`lab calls collect` with a model of this machine: drawn calls, words held by a grammar, no network."""

from __future__ import annotations

import re

import pytest

from lab_lib.calls.call import Call
from lab_lib.calls.candidates.drawn import missing, pattern, question, said
from lab_lib.calls.candidates.records import read_candidates
from lab_lib.calls.examples.bundled import TRAIN
from lab_lib.calls.examples.parse import read_examples
from lab_lib.calls.skills.check import check_call, read_call
from lab_lib.calls.skills.load import load_skills

HOME = load_skills(["home"])


@pytest.mark.parametrize("name", [*HOME, "none"])
def test_drawn_calls_are_accepted_vary_and_are_the_same_for_a_seed(name):
    shown = read_examples(TRAIN / f"{name}_examples.txt").examples
    asked = [question(name, HOME, shown, seed) for seed in range(20)]
    assert asked[0] == question(name, HOME, shown, 0)
    known = {one.call for one in shown}
    for one in asked:
        assert check_call(one.call, HOME).name == name
        roles = [message["role"] for message in one.messages]
        assert roles == ["system", *["user", "assistant"] * 6, "user"]
    assert len({one.messages[-1]["content"] for one in asked} - known) > 5 or name in ("none", "set_light", "calculate")


def test_texts_are_said_as_they_are_and_what_is_spoken_otherwise_is_not():
    call = read_call('add_to_list(items=["O\'Hare", "AC/DC (live)"])', HOME)
    assert said(call, HOME) == ["O'Hare", "AC/DC (live)"]
    line = pattern(said(call, HOME))
    assert re.fullmatch(line, "add O'Hare and AC/DC (live) please") and not re.fullmatch(line, "add O'Hare please")
    assert not re.fullmatch(line, "AC/DC (live) and O'Hare") and not re.fullmatch(line, "a\nO'Hare AC/DC (live)")
    assert not re.fullmatch(line, "addO'Hare and AC/DC (live)") and re.fullmatch(line, "O'Hare,AC/DC (live)?")
    assert said(read_call('set_alarm(time="07:30")', HOME), HOME) == []
    assert said(read_call('set_light(room="kitchen", on=True)', HOME), HOME) == []
    assert re.fullmatch(pattern([]), "Wake me at half past seven!") and not re.fullmatch(pattern([]), "")
    assert missing("ADD o'hare", call, HOME) == "AC/DC (live)" and not missing("hi", Call("none", {}), HOME)


def test_grammars_of_lines_are_what_their_expressions_match():
    pytest.importorskip("llguidance")
    from lab_lib.chat.candidates import line_grammar
    from lab_lib.decoding.grammar import Grammar
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer

    tokenizer, _ = load_tokenizer(find_source("lab-tiny"))
    grammar = Grammar(line_grammar(pattern(["AC/DC (live)", "9*9 \\ é"])), tokenizer)
    for text, fits in (("play AC/DC (live) for 9*9 \\ é!", True), ("play AC/DC", False), ("play\nAC/DC (live)", False)):
        constraint, ids = grammar.constraint(), tokenizer(text, add_special_tokens=False)["input_ids"]
        read = 0
        while read < len(ids) and ids[read] in constraint.allowed(ids[:read]):
            read += 1
        assert (read == len(ids) and tokenizer.eos_token_id in constraint.allowed(ids)) is fits


REFUSED = {
    "lab-tiny": "--model lab-tiny: it has no chat template; expected a chat model such as smollm2-135m",
    "smollm2-135m": "smollm2-135m is not fetched yet: run `lab models fetch smollm2-135m`",
}


@pytest.mark.parametrize(("name", "line"), REFUSED.items())
def test_models_that_cannot_write_are_refused_before_they_are_loaded(name, line, cli, tmp_path):
    pytest.importorskip("llguidance")
    files = ("--examples", TRAIN / "news_examples.txt", "--held-out", TRAIN / "news_examples.txt")
    code, _, stderr = cli("calls", "collect", "--model", name, "--out", tmp_path / "a.jsonl", *files)
    assert code == 2 and line in stderr and not (tmp_path / "a.jsonl").exists()


@pytest.mark.model
def test_a_small_chat_model_writes_candidates_without_a_network(smollm2, cli, tmp_path, monkeypatch):
    out = tmp_path / "a.jsonl"
    files = ("--examples", TRAIN / "weather_examples.txt", "--examples", TRAIN / "add_to_list_examples.txt")
    what = ("calls", "collect", "--skill", "weather", "--skill", "add_to_list", "--out", out, "--n", "2", *files)
    code, _, stderr = cli(*what)
    found = read_candidates(out)
    fit = [one for one in found if one.state == "new"]
    assert code == 0 and len(fit) >= 4, stderr
    for one in fit:
        assert not missing(one.utterance, read_call(one.call, HOME), HOME)
        assert one.source["model"] == smollm2 and len(one.source["weights"]) == 64
    first = out.read_text()
    assert cli(*what)[0] == 0 and out.read_text() == first
    out.unlink()
    assert cli(*what)[0] == 0
    assert [one.utterance for one in read_candidates(out)] == [one.utterance for one in found], "drawn by the seed"

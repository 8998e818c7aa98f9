"""A run that predicts belief states, for real: both settings in one table, states and calls beside, the page, chat."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from talking import talk
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_llama, tiny_t5

from lab_lib.chat.end_to_end import Guide
from lab_lib.corpora.load import load_corpus
from lab_lib.errors import LabError
from lab_lib.evaluation.baselines import gold_replies
from lab_lib.evaluation.state_calls import gold_calls
from lab_lib.files import read_json, read_jsonl, write_jsonl
from lab_lib.prompts.belief import Belief
from lab_lib.runs.config import RunConfig, load_recipe, make_task
from lab_lib.runs.run import run

QUICK = [
    "training.steps=4", "training.batch_size=2", "training.micro_batch_size=1", "training.evaluate_every=2",
    "training.log_every=1", "training.learning_rate=0.01", "decoding.max_new_tokens=8", "prompt.max_tokens=400",
    "evaluation.resamples=20", "lora.rank=4", "model.quantisation=none",
]  # fmt: skip
AFTER_BASE = ("train", "finetuned", "report")


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> RunConfig:
    folder = tmp_path_factory.mktemp("places")
    corpus, model = write_tiny_corpus(folder / "corpus"), tiny_llama(folder / "model")
    return load_recipe("town-end-to-end-cpu", [f"data.corpus={corpus}", f"model.name={model}", *QUICK])


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory) -> tuple[Path, str]:
    """A finished run and what it printed."""
    folder, console = tmp_path_factory.mktemp("runs") / "run", Console(record=True, width=140)
    run(config, folder, console)
    return folder, " ".join(console.export_text().split())


def test_the_adapter_is_scored_end_to_end_and_with_the_gold_state(finished):
    folder, printed = finished
    record = read_json(folder / "record.json")
    systems = ["base model", "fine-tuned, gold state", "fine-tuned"]
    assert list(record["rows"])[5:] == systems
    assert list(record["predictions_sha256"]) == ["base", "finetuned-gold-state", "finetuned"]
    assert "|states:gold|" in record["scorer"] and record["scorer"].endswith("; base model, fine-tuned: states:given")
    rows = {name: read_jsonl(folder / "predictions" / f"{name}.jsonl") for name in record["predictions_sha256"]}
    assert "call" in rows["finetuned"][0] and "state" in rows["base"][0]
    assert not {"call", "state"} & rows["finetuned-gold-state"][0].keys()
    assert "End to end, with their own belief states: base model, fine-tuned; the others with the gold" in printed
    assert all("joint_accuracy" in row["dev"] for row in read_jsonl(folder / "log.jsonl") if "dev" in row)


def test_states_and_calls_are_scored_beside_ceiling_and_floor(finished):
    folder, printed = finished
    rows = read_json(folder / "record.json")["rows"]
    states = {name: row["values"] for name, row in rows.items() if "joint_accuracy" in row["values"]}
    assert list(states) == ["gold calls", "no calls", "base model", "fine-tuned"]
    assert states["gold calls"]["joint_accuracy"] == 100 and states["no calls"]["calls"] == 50
    assert "bleu" not in states["gold calls"] and "bleu" in states["fine-tuned"]
    problems = read_json(folder / "report.json")["fine-tuned"]["problems"]
    assert states["fine-tuned"]["malformed"] == problems["malformed"] > 0  # random weights
    assert rows["fine-tuned"]["intervals"].keys() >= {"joint_accuracy", "calls", "combined"}
    assert (
        "belief states and calls" in printed.lower() and "Joint goal" in printed and "fine-tuned: malformed" in printed
    )


def page_data(folder: Path) -> dict:
    text = (folder / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found and "Belief states and calls" in text
    return json.loads(found[1])


def test_the_page_has_the_calls_of_every_turn_and_where_the_state_is_wrong(finished):
    data = page_data(finished[0])
    assert data["names"] == ["gold replies", "base model", "fine-tuned, gold state", "fine-tuned"]
    (dialogue,) = data["items"]
    first, second = (turn["step"] for turn in dialogue["turns"])
    assert first["texts"][0] == ['find_restaurant(food="indian")'] and second["texts"][0] == ["[]"]
    assert first["texts"][2] is None and first["texts"][3] and first["wrong"] == [None, True, None, True]
    assert "belief state wrong" in dialogue["verdicts"][3]["causes"]
    assert "belief state wrong" not in dialogue["verdicts"][2]["causes"]


def test_only_what_is_missing_is_decoded_again(finished, config, tmp_path):
    folder, _ = finished
    file = folder / "predictions" / "finetuned-gold-state.jsonl"
    before, own = file.read_bytes(), (folder / "predictions" / "finetuned.jsonl").stat().st_mtime_ns
    file.unlink()
    run(config, folder, Console(quiet=True), ("finetuned",))
    assert file.read_bytes() == before
    assert (folder / "predictions" / "finetuned.jsonl").stat().st_mtime_ns == own


def test_gold_answers_reach_the_ceiling_in_every_column(finished, config, tmp_path):
    """A run whose prediction file holds gold calls and gold replies: end to end equals the row of the gold replies."""
    folder, corpus = tmp_path / "run", load_corpus(config.data.corpus)
    run(config, folder, Console(quiet=True), ())
    calls, replies = gold_calls(corpus.splits["test"]), gold_replies(corpus.splits["test"])
    rows = [
        {"dialogue": key, "turn": number, **turn, "response": replies[key][number]["response"]}
        for key, turns in calls.items()
        for number, turn in enumerate(turns)
    ]
    write_jsonl(folder / "predictions" / "finetuned.jsonl", rows)
    run(config, folder, Console(quiet=True), ("report",))
    record = read_json(folder / "record.json")
    ours, replies, calls = (record["rows"][name] for name in ("fine-tuned", "gold replies", "gold calls"))
    assert ours["values"] == {**replies["values"], **calls["values"]} and ours["values"]["joint_accuracy"] == 100
    assert ours["intervals"] == {**replies["intervals"], **calls["intervals"]}
    assert page_data(folder)["items"][0]["turns"][0]["step"]["wrong"] == [None, False]


def test_a_prediction_file_with_calls_is_scored_as_text_state_and_call_at_once(finished, config, tmp_path):
    from lab_lib.evaluation.config import EvaluateConfig
    from lab_lib.scoring.prediction_file import evaluate_file, file_task

    console = Console(record=True, width=120)
    task = file_task({"metrics": ["mwz", "states", "text"]}, config.data.corpus, "test")
    file = finished[0] / "predictions" / "finetuned.jsonl"
    report = read_json(evaluate_file(file, task, EvaluateConfig(resamples=20), tmp_path / "report.json", console))
    values = report["rows"]["finetuned"]["values"]
    assert {"combined", "chrf"} <= values.keys() and values["malformed"] == 2
    assert values["calls"] == values["joint_accuracy"] == 0
    assert "Calls due" in console.export_text() and "ROUGE-Lsum" in (tmp_path / "report.html").read_text()


def test_an_encoder_decoder_is_refused_in_one_line(config, tmp_path):
    model = tiny_t5(tmp_path / "t5")
    settings = [f"data.corpus={config.data.corpus}", f"model.name={model}", *QUICK, "lora.modules=attention"]
    with pytest.raises(LabError, match="predict_state needs a decoder-only model"):
        run(load_recipe("town-end-to-end-cpu", settings), tmp_path / "run", Console(quiet=True), AFTER_BASE)


# Chat


def test_chat_shows_calls_what_was_found_and_the_reply(finished):
    text = talk(finished[0], "Where can I eat Indian?", "And where is that?", "/state")
    assert text.count("call> ") == text.count("found> none") == text.count("bot> ") == 2
    assert text.count("malformed: ") == 2 and "empty: nothing is asked for yet" in text  # random weights
    before = text.split("bot>")[0]
    assert before.count("note: ") == 1 and before.rstrip().count(": restaurant, train, taxi") == 1


def test_the_venue_found_fills_the_reply(config):
    guide = Guide(make_task(config))
    reply = "[name] is [pricerange], call [phone]. [choice] of them. Your [ref] for [bookday]. [unheard]"
    assert guide.fill(reply) == reply.replace("[choice]", "0")
    state = {"restaurant": {"area": "north", "food": "italian", "bookday": "monday"}}
    guide.belief = Belief(state, ("restaurant",))
    assert guide.fill(reply) == (
        "green oven is moderate, call 01632960003. 1 of them. Your [ref] for monday. [unheard]"
    )
    guide.belief = Belief({**state, "train": {"day": "friday", "leaveat": "16:00"}}, ("restaurant", "train"))
    assert guide.fill("[trainid] leaves at [leaveat]") == "TL0200 leaves at 17:15"
    guide.belief = Belief({"restaurant": {"area": "west"}}, ("restaurant",))
    assert guide.fill("[name] in the [area], [choice] found") == "[name] in the west, 0 found"
    guide.belief = Belief({"restaurant": {"area": "north"}}, ("restaurant",))
    assert guide.fill("[name], [name] or [name]") == "copper kettle, green oven or [name]"

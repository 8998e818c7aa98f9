"""`task.combine`: weights fitted on dev for what model and retrieval say, the choice with them, and a whole run."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path

import numpy as np
import pytest
from command_line import lab
from tiny_models import tiny_llama

from lab_lib.errors import LabError
from lab_lib.exemplars.corpus import load_exemplars
from lab_lib.exemplars.types import NONE
from lab_lib.files import read_json, read_jsonl
from lab_lib.models.hub import find_source
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.runs.config import load_recipe, make_task
from lab_lib.runs.folder import RunFolder
from lab_lib.tasks.schema_guided_combine import (
    COMBINED,
    FEATURES,
    PENALTY,
    WEIGHTS,
    Options,
    fit_weights,
    held_out_weights,
)
from lab_lib.tasks.schema_guided_text import Shown
from lab_lib.tasks.splits import load_splits
from lab_lib.understand.generator import fitted_weights

WORDS = ("task.retrieval.exemplars=tfidf", "task.retrieval.descriptions=tfidf", "task.wanted=0", "task.combine=true")
BY_NAME = {name: [one for one in load_exemplars("desk").part("train").exemplars if one.target_name == name]
           for name in ("find_book", "pay_fine")}  # fmt: skip


def options(names: list[str], pool: list[str], described: str, **log_probs: float) -> Options:
    shown = Shown(tuple(names), pool=tuple(BY_NAME[name][0] for name in pool))
    return Options({name: log_probs.get(name, -20.0) for name in (*names, NONE)}, shown, described, frozenset(BY_NAME))


def test_the_features_of_each_kind_of_option():
    one = options(["find_book", "join_club"], ["find_book", "pay_fine"], "join_club", find_book=-1.0, none=-0.5)
    find_book, join_club, none = (dict(zip(FEATURES, row, strict=True)) for row in one.features().tolist())
    zeros = dict.fromkeys(FEATURES, 0.0)
    assert find_book == zeros | {"model": -1.0, "votes": pytest.approx(math.log(2 / 3 + 0.005))}
    assert join_club == zeros | {"described": 1, "new": 1, "new_model": -12, "new_rank": pytest.approx(math.log(2))}
    assert none == zeros | {"none": 1, "none_model": -0.5}


def test_two_options_give_the_weights_of_a_logistic_regression():
    linear = pytest.importorskip("sklearn.linear_model", reason="the extra `retrieval` is not installed")
    chance = random.Random(0)
    asked = []
    for _ in range(60):
        sure = chance.uniform(0.05, 0.95)
        votes = ["find_book"] * chance.randint(0, 3) + ["pay_fine"]
        one = options(["find_book"], votes, "", find_book=math.log(sure), none=math.log(1 - sure))
        asked.append((one, "find_book" if chance.random() < sure else NONE))
    difference = np.array([one.features()[0] - one.features()[1] for one, _ in asked])
    oracle = linear.LogisticRegression(C=1 / (2 * PENALTY * len(asked)), fit_intercept=False, tol=1e-10, max_iter=10000)
    oracle.fit(difference, [right == "find_book" for _, right in asked])
    assert fit_weights(asked) == pytest.approx(oracle.coef_[0], abs=2e-3)


def test_new_functions_are_found_by_retrieval_and_none_by_the_model():
    known = options(["find_book", "join_club"], ["find_book"], "find_book", find_book=-0.1, none=-3.0)
    new = options(["join_club", "find_book"], ["pay_fine"], "join_club", find_book=-3.0, none=-1.0)
    nothing = options(["find_book", "join_club"], ["pay_fine"], "join_club", find_book=-6.0, none=-0.01)
    asked = [(known, "find_book"), (nothing, NONE), (new, "join_club")] * 5
    weights = fit_weights(asked)
    assert [max(p := one.probabilities(weights), key=p.get) for one, _ in asked[:3]] == ["find_book", NONE, "join_club"]
    assert sum(new.probabilities(weights).values()) == pytest.approx(1)
    other = [(one, "find_book" if place == 4 else right) for place, (one, right) in enumerate(asked)]
    before, after = held_out_weights(asked), held_out_weights(other)
    assert np.array_equal(before[4], after[4]) and not np.array_equal(before[3], after[3])
    with pytest.raises(LabError, match="no utterance whose function is on offer"):
        fit_weights([(known, "renew_loan")])


def test_the_chosen_function_is_the_only_answer_and_its_slots_are_asked_for():
    task = make_task(load_recipe("understand-desk-cpu", [*WORDS, "data.report=dev"]))
    splits, tokenizer = load_splits(task), load_tokenizer(find_source("lab-tiny"))[0]
    task.prepared = Path("prepared")
    shown = Shown(("find_book", "pay_fine", "renew_loan"))
    task.__dict__["retrieved"] = type("Stored", (), {
        "shown": {item.key: shown for item in splits.dev},
        "chosen": {"best description": {item.key: "pay_fine" for item in splits.dev}},
    })  # fmt: skip
    (item, *_) = (one for one in splits.dev if not one.kind)
    assert set(task.candidates(item, tokenizer)) == {*shown.functions, NONE}
    task.log_probs = {one.key: dict.fromkeys((*shown.functions, NONE), -1.4) for one in splits.dev}
    task.calibrate(splits.dev)
    task.weights = task._held_out[item.key] = np.array([float(name == "described") for name in FEATURES])
    talk = task.converse(item, tokenizer, COMBINED)
    asked = next(talk)
    written: list[int] = []
    while written[-1:] != [tokenizer.eos_token_id]:
        (one,) = asked.constraint.allowed(written)
        written.append(one)
    assert tokenizer.decode(written, skip_special_tokens=True).strip() == "pay_fine"
    prompts = [talk.send(written)]
    while prompts[-1].asks != "reply":
        prompts.append(talk.send(tokenizer("null")["input_ids"]))
    assert {one.asks for one in prompts[:-1]} == {"slot"} and prompts[-1].facts == {WEIGHTS: task.weights.tolist()}


def test_a_run_has_both_rows_and_its_weights_answer_later(tmp_path: Path, capsys):
    base = tiny_llama(tmp_path / "base", max_position_embeddings=2048)
    given = (*WORDS, f"model.name={base}", "model.quantisation=none", "model.dtype=fp32", "prompt.max_tokens=1900",
             "training.steps=1", "training.warmup=0", "data.max_train=4", "data.max_test=3",
             "decoding.max_new_tokens=8", "evaluation.resamples=20")  # fmt: skip
    assert lab("run", "understand-desk-cpu", *given, "--no-base", "--out", tmp_path / "run") == 0
    rows = read_jsonl(tmp_path / "run" / "predictions" / f"finetuned-{COMBINED}.jsonl")
    assert len(rows) == 3 and all(len(row[WEIGHTS]) == len(FEATURES) for row in rows)
    assert "fine-tuned, combined" in read_json(tmp_path / "run" / "report.json")
    assert fitted_weights(RunFolder(tmp_path / "run")) == rows[0][WEIGHTS]
    lab("understand", "ask", tmp_path / "run", "I want to renew my loan of Night Ferry")  # its slots are random
    shown = capsys.readouterr()
    assert re.search(r"^\w+ \d+ %; otherwise \w+ \d+ %", shown.out + shown.err, re.MULTILINE)
    assert lab("run", "understand-desk-cpu", *WORDS, "task.exemplars=0", "--out", tmp_path / "none") == 2
    assert "task.combine: prompts without exemplars retrieve none" in capsys.readouterr().err

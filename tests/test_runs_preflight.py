"""How much a prompt may hold: what is said when turns are lost, and when a model has no positions for it."""

from __future__ import annotations

import pytest
from rich.console import Console
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_falcon, tiny_gpt2, tiny_llama, tiny_neox, tiny_t5

from lab_lib.chat.chat import chat
from lab_lib.chat.partner import run_partner
from lab_lib.chat.session import Session
from lab_lib.errors import LabError
from lab_lib.runs.config import RunConfig, load_recipe
from lab_lib.runs.preflight import fit_prompt
from lab_lib.runs.run import run

QUICK = [
    "training.steps=1", "training.batch_size=2", "training.micro_batch_size=1", "training.evaluate_every=1",
    "training.log_every=1", "decoding.max_new_tokens=4", "lora.rank=2", "lora.dropout=0.0", "model.quantisation=none",
    "lora.embeddings=false",
]  # fmt: skip


@pytest.fixture
def told(tmp_path):
    """Return a function that walks stages of a run on the tiny corpus, and what it printed."""
    corpus = write_tiny_corpus(tmp_path / "corpus")
    model = tiny_llama(tmp_path / "model")

    def walk(stages: tuple[str, ...], *settings: str) -> str:
        config = load_recipe("town-qlora-cpu", [f"data.corpus={corpus}", f"model.name={model}", *QUICK, *settings])
        console = Console(record=True, width=300)
        run(config, tmp_path / "run", console, stages)
        return console.export_text()

    return walk


def test_whole_prompts_and_examples_are_not_spoken_of(told):
    said = told(("base", "train"), "prompt.max_tokens=500")
    assert "lost" not in said and "split" not in said and "with transformers" not in said


def test_lost_turns_are_said_where_prompts_are_decoded_and_examples_made(told):
    """The test dialogue has two turns, and one of the two training dialogues; the dev dialogue has one."""
    said = told(("base", "train"), "prompt.max_tokens=120")
    assert "1 of 2 prompts lost their oldest turns: prompt.max_tokens=120" in said
    assert "1 of 2 dialogues were split into several examples: prompt.max_tokens=120" in said
    assert "of 1 prompts lost" not in said


def test_a_cut_user_turn_is_counted_and_dev_evaluation_names_its_backend(told):
    plain = ("task.state=false", "task.database=false", "decoding.max_new_tokens=70")
    said = told(("train",), "prompt.max_tokens=100", "decoding.backend=vllm", *plain)
    assert "1 of 1 prompts lost a part of the last user turn: prompt.max_tokens=100" in said
    assert "decoding.backend=vllm: dev evaluations decode with transformers" in said


def test_the_chat_names_its_backend(tmp_path):
    console = Console(record=True, width=300)
    model = tiny_llama(tmp_path / "model")
    partner = run_partner(tmp_path, sized(model, 500, "decoding.backend=vllm"), True, None, console)
    chat(Session.open(partner), console, lambda: "")
    assert "decoding.backend=vllm: the chat decodes with transformers" in console.export_text()


def sized(model: object, tokens: int, *more: str) -> RunConfig:
    return load_recipe("town-qlora-cpu", [f"model.name={model}", f"prompt.max_tokens={tokens}", *QUICK, *more])


def test_learnt_positions_end_in_one_line_before_anything_is_made(tmp_path):
    model = tiny_gpt2(tmp_path / "model")
    with pytest.raises(LabError, match=r"prompt.max_tokens=513: .* has 512 positions; set it to 512 or less"):
        run(sized(model, 513), tmp_path / "run", Console(quiet=True), ("base",))
    assert not (tmp_path / "run").exists()
    assert fit_prompt(sized(model, 512), Console(quiet=True)).prompt.max_tokens == 512


@pytest.mark.parametrize(("make", "limit"), [(tiny_llama, 512), (tiny_neox, 512), (tiny_falcon, 2048), (tiny_t5, None)])
def test_rotary_positions_go_on_with_a_word_and_t5_has_no_limit(make, limit, tmp_path):
    model, console = make(tmp_path / "model"), Console(record=True, width=300)
    fit_prompt(sized(model, limit or 900), console)
    assert "max_tokens" not in console.export_text()
    fit_prompt(sized(model, (limit or 9000) + 1), console)
    said = f"was made for {limit} tokens at most; positions beyond are new to it"
    assert (said in console.export_text()) == (limit is not None)

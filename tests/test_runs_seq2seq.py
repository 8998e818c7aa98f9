"""A whole run with an encoder-decoder, through the same commands as for a decoder alone."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from command_line import lab
from talking import talk
from test_runs_corridor import QUICK
from tiny_corpus import write_tiny_corpus
from tiny_models import tiny_flan, tiny_llama, tiny_t5

from lab_lib.errors import LabError
from lab_lib.files import read_json, read_jsonl
from lab_lib.runs.config import load_run_config
from lab_lib.runs.preflight import choose_format


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_tiny_corpus(tmp_path_factory.mktemp("places") / "corpus")


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return tiny_flan(tmp_path_factory.mktemp("models") / "flan")


def settings(corpus: Path, model: Path) -> list[str]:
    return [f"data.corpus={corpus}", f"model.name={model}", *QUICK]


@pytest.fixture(scope="module")
def finished(corpus, base, tmp_path_factory) -> tuple[Path, str]:
    """A finished QLoRA run of a recipe made for decoders, with nothing changed but the model; and what it said."""
    out = tmp_path_factory.mktemp("runs") / "run"
    with redirect_stderr(io.StringIO()) as said:
        assert lab("run", "town-qlora-cpu", *settings(corpus, base), "--out", out) == 0
    return out, said.getvalue()


def test_a_decoders_recipe_runs_with_an_encoder_decoder_and_says_what_it_changed(finished):
    folder, said = finished
    assert "pairs  " in said and "is an encoder-decoder: it reads the history" in said
    assert load_run_config(folder).prompt.format == "pairs"
    record = read_json(folder / "record.json")
    assert list(record["rows"])[-2:] == ["base model", "fine-tuned"]
    # Two training dialogues with two and one system turns: three examples. Layers: 2 x (1 + 2) x 4 + 2 x 2 x 3.
    assert record["training"]["examples"] == 3 and record["training"]["modules"] == 36
    assert record["training"]["choices"]["weights"][0] == "4bit nf4"
    losses = [row["loss"] for row in read_jsonl(folder / "log.jsonl") if "loss" in row]
    assert len(losses) == 4 and losses[-1] < losses[0]
    base, tuned = (read_jsonl(folder / "predictions" / f"{name}.jsonl") for name in ("base", "finetuned"))
    assert [row["turn"] for row in tuned] == [0, 1] and [r["response"] for r in base] != [r["response"] for r in tuned]


def test_the_run_goes_on_and_takes_its_verbs_one_by_one(finished, corpus, base, tmp_path, cli):
    folder, _ = finished
    code, out, err = cli("run", "town-qlora-cpu", *settings(corpus, base), "--out", folder)
    assert (code, out) == (0, f"{folder}\n"), err
    other = tmp_path / "steps"
    assert cli("train", "town-qlora-cpu", *settings(corpus, base), "prompt.format=turns", "--out", other)[0] == 0
    assert cli("decode", other)[0] == 0 and cli("evaluate", other)[0] == 0
    same = [(run / "predictions" / "finetuned.jsonl").read_text() for run in (folder, other)]
    assert same[0] == same[1]


def test_merge_and_chat(finished, tmp_path, cli):
    folder, _ = finished
    code, _out, err = cli("merge", folder, tmp_path / "merged")
    assert code == 0 and "logits differ by at most" in err, err
    assert talk(folder, "Hello there", "And a train?").count("bot>") == 2


def test_dry_run_speed_and_show_tokens(corpus, base, cli, tmp_path):
    code, _, err = cli("run", "town-qlora-cpu", *settings(corpus, base), "--dry-run")
    assert code == 0 and "format: pairs" in err and "3 examples" in err and "bot></s>\u00ab" in err
    code, out, err = cli("speed", "town-qlora-cpu", *settings(corpus, base), "training.batch_size=2")
    assert code == 0 and "| none (CPU) |" in out, err
    code, out, err = cli("data", "show", str(corpus), "--tokens", "--recipe", "t5-scratch-cpu")
    assert code == 0 and out.count("bot></s>\u00ab") == 2, err


def test_from_scratch_with_the_bundled_shape(corpus, tmp_path, cli):
    out = tmp_path / "run"
    scratch = [f"data.corpus={corpus}", *QUICK, "training.steps=1", "training.evaluate_every=0"]
    code, _, err = cli("run", "t5-scratch-cpu", *scratch, "--out", out)
    assert code == 0, err
    assert (out / "adapter" / "model.safetensors").exists() and "fine-tuned" in read_json(out / "record.json")["rows"]
    # What was trained is an ordinary base: an adapter on its 4-bit weights.
    code, _, err = cli("train", "town-qlora-cpu", *settings(corpus, out / "adapter"), "--out", tmp_path / "second")
    assert code == 0 and (tmp_path / "second" / "adapter" / "adapter_model.safetensors").exists(), err


def test_pairs_are_refused_for_a_model_without_encoder(corpus, tmp_path, cli):
    model = tiny_llama(tmp_path / "llama")
    code, _, err = cli(
        "run", "town-qlora-cpu", *settings(corpus, model), "prompt.format=pairs", "--out", tmp_path / "r"
    )
    assert code == 2 and "has no encoder to read a source; use dialogues or turns" in err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("wanted", ["dialogues", "turns", "pairs"])
def test_every_format_is_resolved_with_a_reason(wanted):
    assert choose_format(wanted, True, "x").value == "pairs"
    if wanted == "pairs":
        with pytest.raises(LabError, match="x has no encoder"):
            choose_format(wanted, False, "x")
    else:
        assert choose_format(wanted, False, "x").value == wanted


def test_a_small_model_learns_the_replies_by_heart_and_when_to_stop(corpus, tmp_path):
    """Training and decoding see the same: a reply is generated token for token as it was learnt, EOS included."""
    from lab_lib.corpora.load import load_corpus
    from lab_lib.decoding.config import DecodeConfig
    from lab_lib.decoding.generate import generate_batch
    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import generation_mode, load_model, training_mode
    from lab_lib.prompts.config import PromptConfig
    from lab_lib.prompts.dialogue import dialogue_examples, dialogue_prompts
    from lab_lib.prompts.dialogue_config import DialogueConfig
    from lab_lib.training.config import TrainConfig
    from lab_lib.training.trainer import train

    folder = tiny_t5(tmp_path / "model", dropout_rate=0.0)
    loaded = load_model(ModelConfig(str(folder), quantisation="none", dtype="fp32"), for_training=True, full=True)
    loaded.model.requires_grad_(True)
    training_mode(loaded.model, False)
    dialogues, form = load_corpus(str(corpus)).splits["train"], PromptConfig(format="pairs")
    shown = DialogueConfig(state=True)
    examples = [e for d in dialogues for e in dialogue_examples(d, loaded.tokenizer, form, shown)]
    config = TrainConfig(steps=150, batch_size=3, micro_batch_size=3, learning_rate=3e-3)
    train(loaded.model, examples, config, tmp_path / "run", pad=0, eos=2, precision="fp32")
    generation_mode(loaded.model)
    asked = [p.ids for d in dialogues for p in dialogue_prompts(d, loaded.tokenizer, form, shown)]
    replies = generate_batch(loaded.model, loaded.tokenizer, asked, DecodeConfig(max_new_tokens=120))
    assert replies == [list(e.ids[e.loss_mask.index(True) :]) for e in examples]
    assert all(reply[-1] == 2 for reply in replies)


@pytest.mark.slow
def test_a_sweep_over_both_kinds_of_model_keeps_each_ones_format(corpus, tmp_path, cli):
    recipe, out = tmp_path / "both.yaml", tmp_path / "sweep"
    models = (
        f"decoder: {{model.name: {tiny_llama(tmp_path / 'llama')}}}, T5: {{model.name: {tiny_t5(tmp_path / 't5')}}}"
    )
    recipe.write_text(f"sweep: {{grid: {{model: {{{models}}}}}, seeds: [0]}}")
    quick = [f"data.corpus={corpus}", *QUICK, "training.evaluate_every=0"]
    code, _, err = cli("sweep", recipe, *quick, "--out", out)
    assert code == 0, err
    formats = {run.name: load_run_config(run).prompt.format for run in out.glob("model=*")}
    assert formats == {"model=decoder,seed=0": "dialogues", "model=T5,seed=0": "pairs"}

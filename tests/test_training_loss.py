"""The loss at supervised positions only: the loss and gradients of every logit with a mask, or refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import training_job
from tiny_models import FAMILIES, tiny_falcon, tiny_llama, tiny_neox, tiny_t5

from lab_lib.models.hardware import Choice
from lab_lib.training.batches import IGNORED, Collator, epoch_order, to_rows
from lab_lib.training.config import TrainConfig
from lab_lib.training.loss import LONG, SHORT, Batching, batching_for, choose_positions
from lab_lib.training.packing import PACKED, choose_packing
from lab_lib.training.seq2seq import loss_for


def load(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    return (AutoModelForSeq2SeqLM if folder.name == "t5" else AutoModelForCausalLM).from_pretrained(folder)


def rows(count: int = 6) -> list[dict[str, list[int]]]:
    """Rows of different lengths, two of them longer than the 64 tokens that long rows are padded to multiples of."""
    made = to_rows(training_job.examples(count), eos=2)
    return [*made, *({name: ids * 9 for name, ids in row.items()} for row in made[:2])]


def long_way(pad: int) -> Batching:
    return Batching(Collator(pad), None, Choice(LONG, "to compare with"))


def gradients(model: Any, batching: Batching, batch_rows: list[dict[str, list[int]]]) -> tuple[float, list[Any]]:
    model.zero_grad()
    loss = batching(model, batching.collate(batch_rows))
    loss.backward()
    return loss.item(), [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("tiny", [tiny_neox, tiny_falcon])
def test_a_short_batch_has_the_loss_and_gradients_of_a_long_one(tmp_path: Path, tiny: Callable[[Path], Path]):
    """In float64, to 1e-12 (GPT-NeoX and Falcon: Llama's norms round to fp32). transformers takes the long way's logits
    to fp32 for the loss, so the long way's loss is written out here."""
    import torch

    model = load(tiny(tmp_path)).double().eval()
    batching = batching_for(model, pad=0)
    assert batching.logits.value == SHORT
    short_loss, short = gradients(model, batching, rows())
    model.zero_grad()
    batch = Collator(0)(rows())
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(logits, batch["labels"][:, 1:].flatten(), ignore_index=IGNORED)
    loss.backward()
    assert short_loss == pytest.approx(loss.item(), abs=1e-12)
    pairs = list(zip(short, [p.grad for p in model.parameters()], strict=True))
    assert max((a - b).abs().max().item() for a, b in pairs) < 1e-12
    assert max(b.abs().max().item() for _, b in pairs) > 1e-3  # the gradients that agree are not all zero


def test_packed_rows_have_the_loss_and_gradients_of_padded_ones(tmp_path: Path):
    model = load(tiny_neox(tmp_path)).double().eval()
    short, loss = rows()[:5], batching_for(model, pad=0)
    assert choose_packing(model).value == PACKED and len(loss.collate(rows() * 5)["input_ids"]) == 5 * len(rows())
    batch = loss.collate(short)
    assert batch["input_ids"].shape == (1, 64) and sum(len(row["input_ids"]) for row in short) == 50
    padded = Batching(Collator(0, short=True), loss.loss, loss.logits)
    (one, first), (other, second) = gradients(model, loss, short), gradients(model, padded, short)
    assert one == pytest.approx(other, abs=1e-12)
    assert max((a - b).abs().max().item() for a, b in zip(first, second, strict=True)) < 1e-12
    assert max(b.abs().max().item() for b in second) > 1e-3


def test_the_demo_trains_on_padded_rows():
    """Packed rows round differently, and the README gives the demo's numbers."""
    from lab_lib.models.hub import find_source
    from lab_lib.models.tokenizer import load_tokenizer
    from lab_lib.runs.config import load_recipe, make_task
    from lab_lib.runs.steps import train_examples
    from lab_lib.tasks.splits import load_splits

    config = load_recipe("town-qlora-cpu")
    task, (tokenizer, _) = make_task(config), load_tokenizer(find_source("lab-tiny"))
    made = to_rows(train_examples(task, load_splits(task).train, tokenizer), tokenizer.eos_token_id)
    order = epoch_order([len(row["input_ids"]) for row in made], config.training)
    collate, size = Collator(0, short=True, packed=True), config.training.micro_batch_size
    for epoch in range(math.ceil(config.training.epochs)):
        order.set_epoch(epoch)
        drawn = list(order)
        batches = [[made[n] for n in drawn[start : start + size]] for start in range(0, len(drawn), size)]
        assert all("position_ids" not in collate(batch) for batch in batches)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_packed_only_for_models_that_separate_them(tmp_path: Path, family: str):
    (folder := tmp_path / family).mkdir()
    model = load(FAMILIES[family](folder)).eval()
    batching = batching_for(model, pad=0)
    if family == "t5" or choose_packing(model).value != PACKED:
        assert "position_ids" not in batching.collate(rows()[:5])
        return
    padded = Batching(Collator(0, short=True), batching.loss, batching.logits)
    assert "position_ids" in batching.collate(rows()[:5])
    assert gradients(model, batching, rows()[:5])[0] == pytest.approx(gradients(model, padded, rows()[:5])[0], rel=1e-5)


def test_a_short_batch_computes_a_row_of_logits_for_each_learnt_token(tmp_path: Path):
    model = load(tiny_llama(tmp_path))
    batch = batching_for(model, pad=0).collate(rows() * 5)  # too long to be packed
    learnt = int((batch["labels"] != IGNORED).sum())
    assert "attention_mask" not in batch and 0 < learnt < batch["labels"].numel() / 4
    logits = model(input_ids=batch["input_ids"], logits_to_keep=batch["logits_to_keep"]).logits
    assert logits.shape == (learnt, 320)


def test_padding_says_nothing_to_a_short_batch(tmp_path: Path):
    """Without a mask padded positions are computed; nothing learnt may look at them."""
    model = load(tiny_llama(tmp_path))
    losses = [gradients(model, Batching(Collator(pad, short=True), batching_for(model, 0).loss, None), rows())[0]  # type: ignore[arg-type]
              for pad in (0, 77)]  # fmt: skip
    assert losses[0] == losses[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_takes_short_batches_but_the_encoder_decoder(tmp_path: Path, family: str):
    (folder := tmp_path / family).mkdir()
    choice = choose_positions(load(FAMILIES[family](folder)))
    assert choice.value == (LONG if family == "t5" else SHORT)


def test_a_model_that_looks_at_padding_or_knows_only_numbers_gets_long_batches(tmp_path: Path):
    from transformers import LlamaForCausalLM

    class Numbers(LlamaForCausalLM):
        """As the code of 2024: the last n logits, or positions that are the same for every row."""

        def forward(self, input_ids, logits_to_keep=0, **more):
            if not isinstance(logits_to_keep, int):
                logits_to_keep = logits_to_keep[:, :, None][:, logits_to_keep]  # IndexError, as slicing with it there
            return super().forward(input_ids, logits_to_keep=logits_to_keep, **more)

    class Everything(LlamaForCausalLM):
        """Not causal: every token sees the mean of all that is not masked."""

        def forward(self, input_ids, attention_mask=None, logits_to_keep=0, **more):
            embedded = self.model.embed_tokens(input_ids)
            seen = embedded if attention_mask is None else embedded * attention_mask[..., None]
            mixed = embedded + seen.mean(1, keepdim=True)
            return super().forward(None, attention_mask, inputs_embeds=mixed, logits_to_keep=logits_to_keep, **more)

    folder = tiny_llama(tmp_path)
    for kind, reason in ((Numbers, "does not take a mask of positions"), (Everything, "padding is not masked")):
        choice = choose_positions(kind.from_pretrained(folder))
        assert choice.value == LONG and reason in choice.reason
    model = Numbers.from_pretrained(folder)
    assert "attention_mask" in batching_for(model, 0).collate(rows()) and loss_for(model) is None


def test_an_optimiser_step_of_accumulated_short_batches_equals_one_of_long_ones(tmp_path: Path, monkeypatch):
    """Through the Trainer: 4 micro batches with different numbers of supervised tokens, divided by the sum of them."""
    from lab_lib.training import trainer

    def step(name: str) -> list[Any]:
        model = load(folder)
        before = [p.detach().clone() for p in model.parameters()]
        config = TrainConfig(steps=1, batch_size=8, micro_batch_size=2, learning_rate=1e-3, schedule="constant",
                             warmup=0.0, clip=1e9, optimiser="adafactor", log_every=1)  # fmt: skip
        trainer.train(model, training_job.examples(8), config, tmp_path / name, pad=0, eos=2, precision="fp32")
        return [p.detach() - b for p, b in zip(model.parameters(), before, strict=True)]

    folder = tiny_llama(tmp_path)
    short = step("short")
    monkeypatch.setattr(trainer, "batching_for", lambda model, pad: long_way(pad))
    long = step("long")
    assert all((a - b).abs().max() < 1e-6 for a, b in zip(short, long, strict=True))
    assert max(b.abs().max() for b in long) > 1e-4


def test_an_encoder_decoder_keeps_its_own_batches(tmp_path: Path):
    (folder := tmp_path / "t5").mkdir()
    model = load(tiny_t5(folder))
    batching = batching_for(model, pad=0)
    assert batching.loss is loss_for(model) and "decoder_input_ids" in batching.collate(
        [{"input_ids": [5, 6, 2], "labels": [7, 2]}]
    )

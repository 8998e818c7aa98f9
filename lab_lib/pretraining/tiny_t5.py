"""Pretrain the bundled encoder-decoder `lab-tiny-t5` from plain dialogue text, on two CPU cores.

Run by `scripts/pretrain_t5.sh`. It reads and writes the tokens of lab-tiny. Half of the rows of a step are replies: the
encoder reads what was said, the decoder learns the next reply, in the form that fine-tuning uses. The other half are
gaps: the encoder reads an utterance of which a quarter was taken out, the decoder learns the whole. Resumable: kill it
at any moment and start it again with the same arguments; it ends in the same weights, to the bit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab_lib.corpora.sgd import read_text_dialogues
from lab_lib.errors import LabError
from lab_lib.files import write_json
from lab_lib.models.fast_cpu.denormals import denormals_as_zero, flush_denormals
from lab_lib.models.hub import find_source, weight_files
from lab_lib.models.tokenizer import load_tokenizer
from lab_lib.pretraining.folder import open_folder
from lab_lib.pretraining.steps import Steps, command, resumed, save_model, train_steps
from lab_lib.prompts.template import PLAIN
from lab_lib.runs.lock import owning
from lab_lib.training.batches import IGNORED
from lab_lib.training.stopping import noticing_signals

TOKENS = "lab-tiny"  # the bundled model whose tokens are read and written
GAPS = "text"  # the kind of message (`text> ...`) of rows with gaps


@dataclass(frozen=True)
class T5Config(Steps):
    """All settings of the pretraining, with the values of the bundled weights."""

    steps: int = 2500
    rows: int = 32  # half of them replies, half gaps
    learning_rate: float = 1e-2  # of Adafactor: times the size of the weights that it moves
    weight_decay: float = 0.0
    save_every: int = 50
    compiled: bool = False
    bf16: bool = False  # on an Intel Xeon without AMX a step took 0.52 s of one core in fp32
    source: int = 48  # tokens that the encoder reads; of a longer history the last ones
    target: int = 32  # tokens that the decoder writes; of a longer text the first ones
    gaps: float = 0.25  # share of an utterance that is taken out, in pieces of up to four tokens


@dataclass(frozen=True)
class Line:
    """An utterance in tokens: as a line of a history, and alone with EOS; `reply`: whether the system says it."""

    line: tuple[int, ...]
    text: tuple[int, ...]
    reply: bool


@dataclass(frozen=True)
class Ends:
    """The tokens around a source: at its beginning, and what asks for a reply or for the whole of a text."""

    beginning: tuple[int, ...]
    reply: tuple[int, ...]
    open_text: tuple[int, ...]
    whole: tuple[int, ...]


def read_lines(folder: str, tokenizer: Any) -> list[list[Line]]:
    """Return the utterances of every dialogue of a split of SGD, in tokens; dialogues without a reply are left out."""
    dialogues = [[turn for turn in one.turns if turn.text.strip()] for one in read_text_dialogues(folder)]
    texts = [f" {turn.text.strip()}" for turns in dialogues for turn in turns]
    ids = iter(tokenizer(texts)["input_ids"]) if texts else iter(())
    before = {reply: tuple(tokenizer.encode(PLAIN.before("assistant" if reply else "user"))) for reply in (True, False)}
    end, eos = tuple(tokenizer.encode(PLAIN.end)), tokenizer.eos_token_id
    found = [[_line(next(ids), turn.speaker == "system", before, end, eos) for turn in turns] for turns in dialogues]
    return [lines for lines in found if any(line.reply for line in lines[1:])]


def _line(
    ids: Sequence[int], reply: bool, before: Mapping[bool, tuple[int, ...]], end: tuple[int, ...], eos: int
) -> Line:
    """Return an utterance; each piece was tokenised on its own, as prompts are."""
    text = (*ids, eos)
    return Line((*before[reply], *(text if reply else ids), *end), text, reply)


def ends(tokenizer: Any) -> Ends:
    """Return the tokens around sources, as format `pairs` has them."""
    eos, end = (tokenizer.eos_token_id,), tuple(tokenizer.encode(PLAIN.end))
    kind = tuple(tokenizer.encode(PLAIN.before(GAPS)))
    reply = tuple(tokenizer.encode(PLAIN.before("assistant")))
    return Ends((tokenizer.bos_token_id,), (*reply, *eos), kind, (*end, *kind, *eos))


def reply_row(lines: Sequence[Line], around: Ends, config: T5Config, rng: np.random.Generator) -> Any:
    """Return (source, target): what was said before one of the replies of a dialogue, and that reply."""
    place = int(rng.choice([n for n, line in enumerate(lines) if line.reply and n]))
    history = [i for line in lines[:place] for i in line.line]
    room = config.source - len(around.beginning) - len(around.reply)
    return (*around.beginning, *history[-room:], *around.reply), lines[place].text[: config.target]


def gap_row(lines: Sequence[Line], around: Ends, config: T5Config, rng: np.random.Generator) -> Any:
    """Return (source, target): an utterance of a dialogue with gaps, and the whole of it."""
    text = lines[int(rng.integers(len(lines)))].text[: config.target]
    kept = np.ones(len(text) - 1, dtype=bool)  # EOS is not part of the source
    while len(kept) > 1 and (~kept).sum() < config.gaps * len(kept):
        start, size = int(rng.integers(len(kept))), int(rng.integers(1, 5))
        kept[start : start + size] = False
    shown = [i for i, stays in zip(text, kept, strict=False) if stays]
    room = config.source - sum(map(len, (around.beginning, around.open_text, around.whole)))
    return (*around.beginning, *around.open_text, *shown[:room], *around.whole), text


def batch(dialogues: Sequence[Sequence[Line]], around: Ends, config: T5Config, step: int) -> dict[str, np.ndarray]:
    """Return the int64 arrays of a step, (rows, source) and (rows, target); seed and step alone decide them."""
    rng = np.random.default_rng([config.seed, step])
    chosen = rng.integers(len(dialogues), size=config.rows)
    rows = [(reply_row if n % 2 else gap_row)(dialogues[place], around, config, rng) for n, place in enumerate(chosen)]
    return padded(rows, config)


def padded(rows: Sequence[Any], config: T5Config) -> dict[str, np.ndarray]:
    """Return (source, target) rows as arrays of fixed widths, padded on the right."""
    ids, labels = np.zeros((len(rows), config.source), int), np.full((len(rows), config.target), IGNORED)
    mask = np.zeros_like(ids)
    for number, (source, target) in enumerate(rows):
        ids[number, : len(source)], mask[number, : len(source)] = source, 1
        labels[number, : len(target)] = target
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def new_model(tokenizer: Any) -> Any:
    """Return a randomly initialised T5 (v1.1) of 4.9 M parameters.

    Arithmetic: embeddings 4096 x 256 = 1.05 M, tied with the output. An encoder layer has 4 x 256 x 256 = 0.26 M in
    attention and 3 x 256 x 320 = 0.25 M in the gated feed-forward part; a decoder layer 0.26 M more, to look at the
    source. Three of each: 3.84 M. In bf16: 9.8 MB. All linear sizes are multiples of 64, the block size of NF4.
    """
    from transformers import T5Config as Shape
    from transformers import T5ForConditionalGeneration

    shape = Shape(
        vocab_size=len(tokenizer),
        d_model=256,
        d_kv=64,
        d_ff=320,
        num_layers=3,
        num_decoder_layers=3,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    return T5ForConditionalGeneration(shape)


def optimiser_of(model: Any, config: T5Config) -> Any:
    """Return Adafactor, which scales a step by the size of the weights that it moves.

    A T5 begins with weights of very different sizes (token vectors of deviation 1, queries of 0.008), so AdamW's steps
    of one size for all are too large for some of them: at 3e-3 the loss stayed at 3.7 from step 160 to step 600, and
    the answers did not depend on the source. With Adafactor it fell to 2.7 in 250 steps.
    """
    import torch

    return torch.optim.Adafactor(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)


def take_vectors(model: Any) -> None:
    """Let training begin with lab-tiny's vectors of the tokens, scaled to the standard deviation 1 that T5 begins with.

    The other weights are random: the meanings of tokens are reused, but encoding and decoding must be learned.
    """
    import torch
    from safetensors.torch import load_file

    (weights,) = weight_files(find_source(TOKENS))
    vectors = load_file(weights)["model.embed_tokens.weight"].float()
    with torch.no_grad():
        model.shared.weight.copy_(vectors / vectors.std())


def perplexity(model: Any, held_out: Sequence[Mapping[str, Any]]) -> float:
    """Return exp(mean negative log-likelihood per token) of the replies of some batches."""
    import torch

    loss, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for one in held_out:
            tokens = int((one["labels"] != IGNORED).sum())
            loss += model(**one).loss.item() * tokens
            count += tokens
    model.train()
    return math.exp(loss / count)


def replies_of(dialogues: Sequence[Sequence[Line]], around: Ends, config: T5Config, seed: int = 0) -> list[Any]:
    """Return batches of one reply of each dialogue, drawn by a seed of their own."""
    rng = np.random.default_rng(seed)
    rows = [reply_row(lines, around, config, rng) for lines in dialogues]
    starts = range(0, len(rows), config.rows)
    return [tensors(padded(rows[start : start + config.rows], config)) for start in starts]


def tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return a batch as torch tensors."""
    import torch

    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def pretrain(config: T5Config) -> None:
    """Train until `config.steps`, saving every `save_every`; then write the bf16 model folder `out/model`.

    Raises LabError for a folder of other settings or one that another command writes, for data without a reply, and
    when the disk is full.
    """
    out = Path(config.out)
    with owning(out), denormals_as_zero():
        open_folder(out, asdict(config))
        flush_denormals()
        learn(config, out)


def learn(config: T5Config, out: Path) -> None:
    """Train a model in a folder that this process owns."""
    import torch

    tokenizer, _ = load_tokenizer(find_source(TOKENS))
    around, found = ends(tokenizer), read_lines(config.train, tokenizer)
    if not found:
        raise LabError(f"{config.train}: no dialogue with a reply; there is nothing to learn from")
    held_out = replies_of(read_lines(config.dev, tokenizer), around, config)
    torch.manual_seed(config.seed)
    model = new_model(tokenizer)
    take_vectors(model)
    print(f"{len(found)} dialogues, {sum(p.numel() for p in model.parameters())} parameters", file=sys.stderr)
    optimiser = optimiser_of(model, config)
    done = resumed(model, optimiser, out)
    with noticing_signals() as notice:
        batches: Iterator[Any] = (tensors(batch(found, around, config, step)) for step in range(done, config.steps))
        train_steps(model, optimiser, batches, done, config, lambda: perplexity(model, held_out[:8]), notice)
    save_model(model, out / "model")
    write_json(out / "result.json", {"sgd_dev_reply_perplexity": perplexity(model.float(), held_out)})


if __name__ == "__main__":
    command(__doc__, T5Config, pretrain)

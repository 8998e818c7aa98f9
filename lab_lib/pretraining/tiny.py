"""Pretrain the bundled base model `lab-tiny`: tokenizer and weights, from plain dialogue text, on two CPU cores.

Run by `scripts/pretrain_tiny.sh`. Resumable: kill it at any moment and start it again with the same arguments; it ends
in the same weights, to the bit. It does not fine-tune; `lab run` does that on top of the weights this leaves.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab_lib.corpora.sgd import read_text_dialogues
from lab_lib.corpora.types import Dialogue
from lab_lib.errors import LabError, Stopped
from lab_lib.files import write_json, writing
from lab_lib.folders import apply_umask, require_folder, sync
from lab_lib.pretraining.folder import cut_log, load_checkpoint, open_folder, save_checkpoint
from lab_lib.processes.settings import check_environment
from lab_lib.prompts.template import PLAIN
from lab_lib.runs.lock import owning
from lab_lib.training.log import LOG, append_row
from lab_lib.training.stopping import Notice, noticing_signals, stopping_cleanly

PAD, BOS, EOS = "<pad>", "<s>", "</s>"


@dataclass(frozen=True)
class PretrainConfig:
    """Every knob of pretraining, with the values the bundled weights were made with."""

    train: str  # folder of SGD train
    dev: str  # folder of SGD dev: held-out perplexity only, nothing is chosen on it
    out: str  # checkpoints and, at the end, the model folder
    steps: int = 2600
    seed: int = 1
    vocabulary: int = 4096
    context: int = 768  # tokens a row; a dialogue of SGD has 293 on average; fine-tuning sees no more positions
    rows: int = 8  # 8 rows x 768 tokens = 6,144 tokens a step; 2,600 steps = 16.0 M tokens = 4.5 epochs
    learning_rate: float = 1.5e-3
    warmup: int = 100
    decay: float = 0.25  # the last quarter of the steps falls linearly to zero (warmup-stable-decay)
    weight_decay: float = 0.1
    save_every: int = 100


def dialogue_text(dialogue: Dialogue) -> str:
    """Render a dialogue exactly as fine-tuning will: `user> ...` and `bot> ...` lines, EOS after every bot reply."""
    lines = []
    for turn in dialogue.turns:
        prefix = PLAIN.before("user" if turn.speaker == "user" else "assistant")
        end = EOS if turn.speaker == "system" else ""
        lines.append(f"{prefix} {turn.text.strip()}{end}{PLAIN.end}")
    return BOS + "".join(lines)


def train_tokenizer(texts: Sequence[str], vocabulary: int, folder: Path) -> Any:
    """Train a byte-level BPE tokenizer (ids 0, 1, 2 = pad, bos, eos), save it in `folder` and return it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=EOS, clean_up_tokenization_spaces=False
    )
    fast.save_pretrained(folder)
    return fast


def new_model(config: PretrainConfig) -> Any:
    """Return a randomly initialised Llama of 5.6 M parameters.

    Arithmetic: embeddings 4096 x 256 = 1.05 M, tied with the output; a layer has 4 x 256 x 256 = 0.26 M in
    attention and 3 x 256 x 640 = 0.49 M in the feed-forward part; six layers 4.52 M. In bf16: 11.1 MB.
    All linear sizes are multiples of 64, the block size of NF4.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(
        vocab_size=config.vocabulary,
        hidden_size=256,
        intermediate_size=640,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=config.context,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlamaForCausalLM(shape)


def windows(documents: Sequence[Any], config: PretrainConfig) -> Iterator[Any]:
    """Yield (rows, context) int64 batches for ever: each epoch shuffles the dialogues anew and cuts them to rows."""
    import numpy as np

    epoch = 0
    while True:
        order = np.random.default_rng([config.seed, epoch]).permutation(len(documents))
        stream = np.concatenate([documents[i] for i in order])
        step = config.rows * config.context
        for start in range(0, len(stream) - step + 1, step):
            yield stream[start : start + step].reshape(config.rows, config.context).astype("int64")
        epoch += 1


def learning_rate(step: int, config: PretrainConfig) -> float:
    """Return the rate of a step: linear warmup, constant, linear decay to zero over the last part."""
    warmup, tail = max(1, config.warmup), max(1.0, config.decay * config.steps)
    return config.learning_rate * min(1.0, (step + 1) / warmup, (config.steps - step) / tail)


def perplexity(model: Any, documents: Sequence[Any], limit: int = 400) -> float:
    """Return exp(mean negative log-likelihood a token) over the first `limit` dialogues, each scored on its own."""
    import torch

    loss, count = 0.0, 0
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for document in documents[:limit]:
            ids = torch.from_numpy(document[:768].astype("int64"))[None]
            tokens = ids.shape[1] - 1  # the first token has nothing before it to be predicted from
            loss += model(ids, labels=ids).loss.item() * tokens
            count += tokens
    model.train()
    return math.exp(loss / count)


def check_size(tokens: int, config: PretrainConfig) -> None:
    """Raise LabError where the dialogues are fewer than one step takes."""
    if tokens < config.rows * config.context:
        raise LabError(
            f"{config.train}: {tokens} tokens, a step takes {config.rows} rows x {config.context} = "
            f"{config.rows * config.context}; use more dialogues, or fewer --rows or a shorter --context"
        )


def pretrain(config: PretrainConfig) -> None:
    """Train until `config.steps`, saving every `save_every`; then write the bf16 model folder `out/model`.

    Raises LabError for a folder of other settings or one that another command writes, for too few dialogues, and when
    the disk is full.
    """
    out = Path(config.out)
    with owning(out):
        open_folder(out, asdict(config))
        learn(config, out)


def learn(config: PretrainConfig, out: Path) -> None:
    """Train tokenizer and model in a folder that this process owns."""
    import numpy as np
    import torch

    texts = [dialogue_text(d) for d in read_text_dialogues(config.train)]
    torch.manual_seed(config.seed)
    tokenizer = train_tokenizer(texts, config.vocabulary, out / "model")
    documents = [np.array(ids, dtype="uint16") for ids in tokenizer(texts)["input_ids"]]
    dev_texts = [dialogue_text(d) for d in read_text_dialogues(config.dev)]
    held_out = [np.array(ids, dtype="uint16") for ids in tokenizer(dev_texts)["input_ids"]]
    print(f"{len(documents)} dialogues, {sum(map(len, documents))} tokens", file=sys.stderr, flush=True)
    check_size(sum(map(len, documents)), config)

    model = new_model(config)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", file=sys.stderr, flush=True)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=config.weight_decay, fused=True
    )
    done, wrong = load_checkpoint(out, model, optimiser)
    for line in (
        wrong and f"checkpoint passed over: {wrong}",
        f"resuming from the checkpoint of step {done}" if done else None,
        cut_log(out / LOG, done),
    ):
        if line:
            print(line, file=sys.stderr, flush=True)
    batches = windows(documents, config)
    for _ in range(done):  # resuming: the batches of steps already taken are generated again and skipped
        next(batches)
    with noticing_signals() as notice:
        train_steps(model, optimiser, batches, done, config, held_out, notice)

    require_folder(out)
    with writing(out / "model"):
        model.eval().to(torch.bfloat16).save_pretrained(out / "model")
        apply_umask(out / "model")
        sync(out / "model")
    write_json(out / "result.json", {"sgd_dev_perplexity": perplexity(model.float(), held_out, len(held_out))})


def train_steps(
    model: Any,
    optimiser: Any,
    batches: Iterator[Any],
    done: int,
    config: PretrainConfig,
    held_out: Sequence[Any],
    notice: Notice | None = None,
) -> None:
    """Run the steps from `done` on: bf16 autocast, gradient norm clipped at 1, one log line every ten steps.

    Raises Stopped, after a checkpoint, when `notice` is told of a signal.
    """
    import torch

    out, started = Path(config.out), time.time()
    stop = notice or Notice()
    # Compiled, a step takes 0.84 s instead of 1.0 s on two cores with AVX-512; the first one pays for compiling.
    compiled = torch.compile(model)
    for step in range(done, config.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, config)
        ids = torch.from_numpy(next(batches))
        with torch.autocast("cpu", torch.bfloat16):
            loss = compiled(ids, labels=ids, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if step % 10 == 9:
            speed = (step + 1 - done) * config.rows * config.context / (time.time() - started)
            row = {"step": step + 1, "loss": round(loss.item(), 4), "tokens_per_second": round(speed)}
            if step % 500 == 499:
                row["sgd_dev_perplexity"] = round(perplexity(model, held_out), 3)
            append_row(out / LOG, row)
            print(row, file=sys.stderr, flush=True)
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps or stop.number:
            save_checkpoint(out, model, optimiser, step + 1)
        if stop.number:
            raise Stopped(stop.number)


def main() -> None:
    """Read PretrainConfig from the command line (`--train`, `--dev`, `--out` are needed)."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, knob in PretrainConfig.__dataclass_fields__.items():
        required = knob.default.__class__.__name__ == "_MISSING_TYPE"
        kind = str if required else type(knob.default)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, required=required, default=None)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    config = PretrainConfig(**given)
    try:
        check_environment()
        with stopping_cleanly():
            pretrain(config)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(config.out)


if __name__ == "__main__":
    main()

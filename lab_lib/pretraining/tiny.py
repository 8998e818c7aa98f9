"""Pretrain the bundled base model `lab-tiny`: tokenizer and weights, from plain dialogue text, on two CPU cores.

Run by `scripts/pretrain_tiny.sh`. Resumable: kill it at any moment and start it again with the same arguments; it ends
in the same weights, to the bit. It does not fine-tune; `lab run` does that on top of the weights this leaves.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab_lib.corpora.sgd import read_text_dialogues
from lab_lib.corpora.types import Dialogue
from lab_lib.errors import LabError
from lab_lib.files import write_json
from lab_lib.pretraining.folder import open_folder
from lab_lib.pretraining.steps import Steps, command, new_optimiser, resumed, save_model, train_steps
from lab_lib.prompts.template import PLAIN
from lab_lib.runs.lock import owning
from lab_lib.training.stopping import noticing_signals

PAD, BOS, EOS = "<pad>", "<s>", "</s>"


@dataclass(frozen=True)
class PretrainConfig(Steps):
    """All settings of pretraining, with the values of the bundled weights."""

    # 8 rows x 768 tokens = 6,144 tokens per step; 2,600 steps = 16.0 M tokens = 4.5 epochs.
    vocabulary: int = 4096
    context: int = 768  # tokens per row; a dialogue of SGD has 293 on average; fine-tuning sees no more positions


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


def perplexity(model: Any, documents: Sequence[Any], limit: int = 400) -> float:
    """Return exp(mean negative log-likelihood per token) over the first `limit` dialogues, each scored separately."""
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
    optimiser = new_optimiser(model, config)
    done = resumed(model, optimiser, out)
    batches = windows(documents, config)
    for _ in range(done):  # resuming: the batches of steps already taken are generated again and skipped
        next(batches)
    with noticing_signals() as notice:
        tensors = ({"input_ids": ids, "labels": ids} for ids in map(torch.from_numpy, batches))
        train_steps(model, optimiser, tensors, done, config, lambda: perplexity(model, held_out), notice)
    save_model(model, out / "model")
    write_json(out / "result.json", {"sgd_dev_perplexity": perplexity(model.float(), held_out, len(held_out))})


def main() -> None:
    """Read PretrainConfig from the command line (`--train`, `--dev`, `--out` are needed)."""
    command(__doc__, PretrainConfig, pretrain)


if __name__ == "__main__":
    main()

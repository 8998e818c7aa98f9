"""Batched generation of replies: left padding, EOS and pad always set, replies cut by token position."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab_lib.decoding.beams import BeamPlan, beam_search
from lab_lib.decoding.cached_decoder import CachedDecoder, base_model
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.contrastive import contrastive_search
from lab_lib.decoding.dialogues import Chain, chains, recite, write_dialogues
from lab_lib.decoding.generation_config import generation_config
from lab_lib.decoding.sampling import GumbelNoise, row_seed, sampling_processors, warpers
from lab_lib.decoding.strategies import check_model
from lab_lib.decoding.vllm import Engine, write_replies
from lab_lib.errors import LabError, OutOfMemory
from lab_lib.prompts.conversation import Conversation
from lab_lib.prompts.encode import Prompt
from lab_lib.prompts.encode import answer_text as reply_text

Conversations = Mapping[str, Callable[[], Conversation]]  # dialogue key -> how to start its conversation
OUT_OF_MEMORY = "out of memory while decoding: lower decoding.batch_size (now {})"


@dataclass(frozen=True)
class Reply:
    """One generated reply. `stopped` is False when it was cut at max_new_tokens; `tokens` counts EOS too.

    `facts` are what its conversation knows beside it: with predicted states the calls before it and the state.
    """

    key: str
    turn: int
    response: str
    tokens: int
    stopped: bool
    facts: Mapping[str, Any] = field(default_factory=dict)


def generate_batch(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    config: DecodeConfig,
    seeds: Sequence[int] | None = None,
) -> list[list[int]]:
    """Generate one reply for each prompt (token ids) and return the new token ids without padding.

    Rows are padded on the left, so that every reply starts right after its prompt; the reply is what lies behind
    the prompt's last position, never the result of a text search. A reply that ended keeps its EOS. `seeds` (one a
    row, used by sampling) default to `config.seed`. An encoder-decoder reads the prompt as its source, padded on the
    right, and its reply lies behind the start token; penalties of repetition then see the reply alone.
    Raises LabError for an empty prompt, for a strategy the model cannot do, or when the device runs out of memory
    (with what to turn).
    """
    import torch

    encoder = model.config.is_encoder_decoder
    check_model(config, encoder)
    if not all(prompts):
        raise LabError("cannot generate from an empty prompt")
    if config.prompt_lookup and len(prompts) > 1:  # transformers guesses ahead for one text at a time
        return [generate_batch(model, tokenizer, [row], config)[0] for row in prompts]
    ids, mask = (tensor.to(model.device) for tensor in pad_rows(prompts, tokenizer.pad_token_id, left=not encoder))
    extra = _strategy_arguments(config, seeds or [config.seed] * len(prompts))
    settings = generation_config(config, tokenizer)
    if encoder:
        settings.decoder_start_token_id = model.config.decoder_start_token_id
    try:
        with torch.inference_mode():
            rows = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings, **extra)
    except torch.OutOfMemoryError:
        raise OutOfMemory(OUT_OF_MEMORY.format(config.batch_size)) from None
    start = 1 if encoder else ids.shape[1]
    return [_until_eos(row[start:].tolist(), tokenizer.eos_token_id) for row in rows]


def pad_rows(rows: Sequence[Sequence[int]], pad: int, left: bool) -> tuple[Any, Any]:
    """Return (ids, mask), two int64 tensors of shape (rows, longest row), padded on the left or on the right."""
    import torch

    ids = torch.full((len(rows), max(map(len, rows))), pad)
    mask = torch.zeros_like(ids)
    for n, row in enumerate(rows):
        place = slice(-len(row), None) if left else slice(len(row))
        ids[n, place], mask[n, place] = torch.tensor(row), 1
    return ids, mask


def _strategy_arguments(config: DecodeConfig, seeds: Sequence[int]) -> dict[str, Any]:
    """Return what generate() needs besides a GenerationConfig for the strategies that are ours; `seeds` one a row."""
    if config.sample and config.beams == 1:
        return {"logits_processor": sampling_processors(config, seeds)}
    if config.penalty_alpha is not None:
        return {"custom_generate": contrastive_search(config.penalty_alpha, config.top_k)}
    if config.sample:
        plan = BeamPlan(1, config.beams, 0.0, config.length_penalty, GumbelNoise(seeds))
        return {"logits_processor": warpers(config), "custom_generate": beam_search(plan)}
    if config.beam_groups > 1:
        width = config.beams // config.beam_groups
        plan = BeamPlan(config.beam_groups, width, config.diversity_penalty, config.length_penalty)
        return {"custom_generate": beam_search(plan)}
    return {}


def _until_eos(ids: list[int], eos: int) -> list[int]:
    """Cut behind the first EOS: what follows in the row is padding."""
    return ids[: ids.index(eos) + 1] if eos in ids else ids


def generate_replies(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    config: DecodeConfig,
    progress: Callable[[int], None] = lambda done: None,
    done: Collection[tuple[str, int]] = (),
    converse: Conversations | None = None,
) -> Iterator[Reply]:
    """Yield a reply for every prompt, longest dialogues first (so that memory runs out at once, or not at all).

    `progress` is told how many more are ready. A batch whose every (key, turn) is in `done` is passed over. A sampled
    reply depends on `config.seed`, its dialogue and its turn alone, whatever the batches, so an interrupted run
    that goes on gives the same replies. Greedy search and sampling read each dialogue once (`dialogues.py`); other
    strategies, and models with an encoder, go through transformers' generate().
    With `converse`, which starts the conversation of each dialogue, these ask instead, and `prompts` only says which
    replies to expect: answers to prompts for calls are not among them. Raises LabError when it is missing and
    `config.history` is own. A `model` of vLLM (`vllm.Engine`) is handed all prompts at once.
    """
    if isinstance(model, Engine):
        for prompt, ids in write_replies(model, tokenizer, prompts, config, progress, done):
            yield _reply(prompt, ids, tokenizer)
            progress(1)
        return
    if config.history == "own" and converse is None:
        raise LabError("decoding.history=own needs whole dialogues to converse about, not prompts alone")
    for batch in _batches(prompts, config, converse is not None, reads_once(model, config)):
        asked = [prompt for chain in batch for prompt in chain]
        if all((prompt.key, prompt.turn) in done for prompt in asked):
            progress(len(asked))
            continue
        for prompt, ids in write_batch(model, tokenizer, batch, config, converse):
            if prompt.asks == "reply":
                yield _reply(prompt, ids, tokenizer)
                progress(1)


def _reply(prompt: Prompt, ids: Sequence[int], tokenizer: Any) -> Reply:
    stopped = bool(ids) and ids[-1] == tokenizer.eos_token_id
    return Reply(prompt.key, prompt.turn, reply_text(ids, tokenizer), len(ids), stopped, prompt.facts)


def reads_once(model: Any, config: DecodeConfig) -> bool:
    """Return whether dialogues are decoded with one cache each: greedy search and sampling, by models that can."""
    from lab_lib.decoding.row_cache import fits

    one_token = config.beams == 1 and config.penalty_alpha is None and not config.prompt_lookup
    return one_token and not model.config.is_encoder_decoder and fits(base_model(model))


def _batches(
    prompts: Sequence[Prompt], config: DecodeConfig, conversing: bool, by_dialogue: bool
) -> Iterator[list[Chain]]:
    """Group prompts: whole dialogues for conversations, chains where the cache is used again, else single prompts."""
    if conversing:
        whole: dict[str, Chain] = {}
        for prompt in by_length(prompts):
            whole.setdefault(prompt.key, []).append(prompt)
        groups = list(whole.values())
    else:
        groups = chains(prompts) if by_dialogue else [[prompt] for prompt in by_length(prompts)]
    for start in range(0, len(groups), config.prompts_at_once):
        yield groups[start : start + config.prompts_at_once]


def by_length(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the prompts, longest first, so that a batch wastes little padding."""
    return sorted(prompts, key=lambda prompt: (-len(prompt.ids), prompt.key, prompt.turn))


def write_batch(
    model: Any,
    tokenizer: Any,
    batch: Sequence[Chain],
    config: DecodeConfig,
    converse: Conversations | None,
) -> Iterator[tuple[Prompt, list[int]]]:
    """Decode some dialogues. Raises LabError when the device runs out of memory."""
    import torch

    def alone(asked: Sequence[Prompt]) -> list[list[int]]:
        return plain(model, tokenizer, asked, config)

    talks = [converse[chain[0].key]() if converse else recite(chain) for chain in batch]
    reader = CachedDecoder(model, tokenizer, config, len(talks)) if reads_once(model, config) else None
    written = write_dialogues(talks, reader, alone)
    while True:
        try:
            with torch.inference_mode():  # around each round only: a generator must not hold it while others run
                pair = next(written)
        except StopIteration:
            return
        except torch.OutOfMemoryError:
            raise OutOfMemory(OUT_OF_MEMORY.format(config.batch_size)) from None
        yield pair


def plain(model: Any, tokenizer: Any, asked: Sequence[Prompt], config: DecodeConfig) -> list[list[int]]:
    """Decode prompts by transformers' generate(), each read from its beginning."""
    seeds = [row_seed(config.seed, prompt.key, prompt.turn) for prompt in asked]
    texts = [prompt.ids for prompt in asked]
    return generate_batch(model, tokenizer, texts, config.writing(asked[0].asks), seeds)

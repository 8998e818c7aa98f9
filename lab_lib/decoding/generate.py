"""Batched generation of answers: left padding, EOS and pad always set, answers cut by token position."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lab_lib.decoding.beams import BeamPlan, beam_search
from lab_lib.decoding.cached_decoder import Answers, CachedDecoder, base_model, same_kind
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.constraints import constraint_masks
from lab_lib.decoding.contrastive import contrastive_search
from lab_lib.decoding.conversations import Chain, chains, decode_chains, decode_conversations
from lab_lib.decoding.generation_config import generation_config, library_beams
from lab_lib.decoding.guidance import Guidance, require_pairs
from lab_lib.decoding.sampling import GumbelNoise, row_seeds, sampling_processors, warpers
from lab_lib.decoding.strategies import check_model
from lab_lib.decoding.vllm import Engine, generate_with_vllm
from lab_lib.errors import LabError, OutOfMemory
from lab_lib.prompts.conversation import Conversation
from lab_lib.prompts.encode import Prompt
from lab_lib.prompts.encode import answer_text as reply_text

Conversations = Mapping[str, Callable[[], Conversation]]  # item key -> function that starts its conversation
OUT_OF_MEMORY = "out of memory while decoding: lower decoding.batch_size (now {})"


@dataclass(frozen=True)
class Reply:
    """One generated answer. `stopped` is False when it was cut at max_new_tokens; `tokens` counts EOS too.

    `facts` are the facts of its prompt: with predicted states, the earlier calls and the state.
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
) -> Answers:
    """Generate one answer for each row of token ids; `generate_answers` does so for prompts, with their constraints.

    `seeds` (one per row, used by sampling) default to `config.seed`. Raises the errors of `generate_answers`.
    """
    rows = [Prompt(tuple(ids), "", number) for number, ids in enumerate(prompts)]
    return _generate(model, tokenizer, rows, config, seeds or [config.seed] * len(prompts))


def generate_answers(model: Any, tokenizer: Any, prompts: Sequence[Prompt], config: DecodeConfig) -> Answers:
    """Generate one answer for each prompt by transformers' generate(); return the new token ids without padding.

    Each prompt is read from its beginning. Its kind determines the settings (`config.writing`), and its key and turn
    determine the seed. An answer that ended keeps its EOS. Raises LabError for an empty prompt, a strategy that the
    model does not support, a constraint that allows nothing, and if the device runs out of memory (naming the setting
    to change).
    """
    answers: Answers = [[] for _ in prompts]
    for rows in same_kind(prompts):
        asked = [prompts[row] for row in rows]
        settings, seeds = config.writing(asked[0].asks), row_seeds(config.seed, asked)
        for row, ids in zip(rows, _generate(model, tokenizer, asked, settings, seeds), strict=True):
            answers[row] = ids
    return answers


def _generate(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], config: DecodeConfig, seeds: Sequence[int]
) -> Answers:
    """Generate one answer for each prompt, all with the same settings.

    Rows are padded on the left, so that every answer starts directly after its prompt. The answer is cut by position,
    after the last token of the prompt, never by a text search. An encoder-decoder reads the prompt as its source,
    padded on the right, and its answer follows the start token; repetition penalties then apply only to the answer.
    """
    import torch

    encoder = model.config.is_encoder_decoder
    check_model(config, encoder)
    if not all(prompt.ids for prompt in prompts):
        raise LabError("cannot generate from an empty prompt")
    if config.prompt_lookup:  # greedy search in fewer steps; transformers supports it for one text at a time
        if len(prompts) > 1:
            return [_generate(model, tokenizer, [prompt], config, seeds)[0] for prompt in prompts]
        if prompts[0].constraint is not None:  # copied tokens may be forbidden: decode step by step
            config = replace(config, prompt_lookup=0)
    rows = [prompt.ids for prompt in prompts]
    ids, mask = (tensor.to(model.device) for tensor in pad_rows(rows, tokenizer.pad_token_id, left=not encoder))
    start = 1 if encoder else ids.shape[1]
    masks = constraint_masks(prompts, start, tokenizer, distinct=library_beams(config))
    if config.guidance != 1.0:
        plain, seen = pad_rows(require_pairs(prompts), tokenizer.pad_token_id, left=True)
        masks = [Guidance(model, plain.to(model.device), seen.to(model.device), config.guidance), *masks]
    extra = _strategy_arguments(config, seeds, masks)
    settings = generation_config(config, tokenizer)
    if encoder:
        settings.decoder_start_token_id = model.config.decoder_start_token_id
    try:
        with torch.inference_mode():
            found = model.generate(input_ids=ids, attention_mask=mask, generation_config=settings, **extra)
    except torch.OutOfMemoryError:
        raise OutOfMemory(OUT_OF_MEMORY.format(config.batch_size)) from None
    return [_until_eos(row[start:].tolist(), tokenizer.eos_token_id) for row in found]


def pad_rows(rows: Sequence[Sequence[int]], pad: int, left: bool) -> tuple[Any, Any]:
    """Return (ids, mask), two int64 tensors of shape (rows, longest row), padded on the left or on the right."""
    import torch

    ids = torch.full((len(rows), max(map(len, rows))), pad)
    mask = torch.zeros_like(ids)
    for n, row in enumerate(rows):
        place = slice(-len(row), None) if left else slice(len(row))
        ids[n, place], mask[n, place] = torch.tensor(row), 1
    return ids, mask


def _strategy_arguments(config: DecodeConfig, seeds: Sequence[int], masks: list[Any]) -> dict[str, Any]:
    """Return the additional arguments of generate(): constraints, and the strategies that we implement."""
    from transformers import LogitsProcessorList

    processors, arguments = masks, dict[str, Any]()
    if config.penalty_alpha is not None:
        arguments["custom_generate"] = contrastive_search(config.penalty_alpha, config.top_k)
    elif config.sample and config.beams == 1:
        processors = [*masks, *sampling_processors(config, seeds)]
    elif config.sample:
        processors = [*masks, *warpers(config)]
        plan = BeamPlan(1, config.beams, 0.0, config.length_penalty, GumbelNoise(seeds))
        arguments["custom_generate"] = beam_search(plan)
    elif config.beam_groups > 1:
        width = config.beams // config.beam_groups
        plan = BeamPlan(config.beam_groups, width, config.diversity_penalty, config.length_penalty)
        arguments["custom_generate"] = beam_search(plan)
    return arguments | ({"logits_processor": LogitsProcessorList(processors)} if processors else {})


def _until_eos(ids: list[int], eos: int) -> list[int]:
    """Cut a row after its first EOS; the rest of the row is padding."""
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
    """Yield the answer to every prompt, longest items first (so that memory runs out at once, or not at all).

    `prompts` have the gold history. Without `converse` the model answers exactly these prompts. If prompts depend on
    earlier answers, `converse` starts the conversation about each item, and the model answers the prompts of the
    conversation; `prompts` then only define which answers to expect, and their lengths order the batches. Answers to
    prompts for calls and plans are only sent to the conversation. Equal prompts of an item are decoded once, unless
    they are sampled.

    `progress` is called with the number of new answers. A batch is skipped if every (key, turn) of it is in `done`. A
    sampled answer depends only on `config.seed`, its item and its turn, not on the batches, so a resumed run gives the
    same answers. Greedy search and sampling read each conversation once (`conversations.py`); other strategies, and
    models with an encoder, use transformers' generate(). A `model` of vLLM (`vllm.Engine`) receives all prompts at
    once. Raises LabError if `config.history` is own and `converse` is missing.
    """
    if isinstance(model, Engine):
        for prompt, ids in generate_with_vllm(model, tokenizer, prompts, config, progress, done):
            yield _reply(prompt, ids, tokenizer)
            progress(1)
        return
    if config.history == "own" and converse is None:
        raise LabError("decoding.history=own needs whole dialogues, not single prompts")
    first, copies = same_answers(prompts, config) if converse is None else (prompts, {})
    for batch in _batches(first, config, converse is not None, reads_once(model, config)):
        asked = [one for chain in batch for prompt in chain for one in (prompt, *copies.get(_place(prompt), ()))]
        if all((prompt.key, prompt.turn) in done for prompt in asked):
            progress(len(asked))
            continue
        for prompt, ids in decode_batch(model, tokenizer, batch, config, converse):
            for one in (prompt, *copies.get(_place(prompt), ())) if prompt.asks == "reply" else ():
                yield _reply(one, ids, tokenizer)
                progress(1)


def same_answers(
    prompts: Sequence[Prompt], config: DecodeConfig
) -> tuple[list[Prompt], Mapping[tuple[str, int], Sequence[Prompt]]]:
    """Return the prompts to decode and, by the place of one, later prompts of its item that have the same answer.

    Those are prompts with equal tokens under a strategy that draws nothing: a model that is not told what to reply gets
    one prompt many times. A prompt with a constraint is decoded by itself.
    """
    first: dict[object, Prompt] = {}
    copies: dict[tuple[str, int], list[Prompt]] = {}
    for prompt in prompts:
        own = config.sample or prompt.constraint is not None
        same = _place(prompt) if own else (prompt.key, prompt.asks, prompt.ids, prompt.unguided)
        if same in first:
            copies.setdefault(_place(first[same]), []).append(prompt)
        else:
            first[same] = prompt
    return list(first.values()), copies


def _place(prompt: Prompt) -> tuple[str, int]:
    return prompt.key, prompt.turn


def _reply(prompt: Prompt, ids: Sequence[int], tokenizer: Any) -> Reply:
    stopped = bool(ids) and ids[-1] == tokenizer.eos_token_id
    return Reply(prompt.key, prompt.turn, reply_text(ids, tokenizer), len(ids), stopped, prompt.facts)


def reads_once(model: Any, config: DecodeConfig) -> bool:
    """Return whether conversations are decoded with one cache each: for greedy search and sampling, if the model can.

    Guidance reads two prompts at once and uses transformers' generate().
    """
    from lab_lib.decoding.row_cache import fits

    one_token = config.beams == 1 and config.penalty_alpha is None and not config.prompt_lookup
    return one_token and config.guidance == 1.0 and not model.config.is_encoder_decoder and fits(base_model(model))


def _batches(prompts: Sequence[Prompt], config: DecodeConfig, conversing: bool, by_item: bool) -> Iterator[list[Chain]]:
    """Group prompts: whole items for conversations, chains if the cache can be reused, else single prompts."""
    room = config.prompts_at_once
    if not conversing and by_item:
        yield from _filled(chains(prompts), room)
        return
    groups: list[Chain] = [[prompt] for prompt in by_length(prompts)]
    if conversing:
        whole: dict[str, Chain] = {}
        for prompt in by_length(prompts):
            whole.setdefault(prompt.key, []).append(prompt)
        groups = list(whole.values())
    for start in range(0, len(groups), room):
        yield groups[start : start + room]


def _filled(found: Sequence[Chain], room: int) -> Iterator[list[Chain]]:
    """Yield chains together that have up to `room` prompts; a longer chain is cut."""
    batch: list[Chain] = []
    for part in (chain[start : start + room] for chain in found for start in range(0, len(chain), room)):
        if sum(map(len, batch)) + len(part) > room:
            yield batch
            batch = []
        batch.append(part)
    yield batch


def by_length(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the prompts, longest first, so that a batch wastes little padding."""
    return sorted(prompts, key=lambda prompt: (-len(prompt.ids), prompt.key, prompt.turn))


def decode_batch(
    model: Any,
    tokenizer: Any,
    batch: Sequence[Chain],
    config: DecodeConfig,
    converse: Conversations | None = None,
) -> Iterator[tuple[Prompt, list[int]]]:
    """Yield (prompt, new token ids) for some items. Raises LabError when the device runs out of memory."""
    import torch

    def uncached(asked: Sequence[Prompt]) -> Answers:
        return generate_answers(model, tokenizer, asked, config)

    decoder = CachedDecoder(model, tokenizer, config, len(batch)) if reads_once(model, config) else None
    if converse:
        generated = decode_conversations([converse[chain[0].key]() for chain in batch], decoder, uncached)
    else:
        generated = decode_chains(batch, decoder, uncached)
    while True:
        try:
            with torch.inference_mode():  # only around each round: a generator must not hold it while its caller runs
                pair = next(generated)
        except StopIteration:
            return
        except torch.OutOfMemoryError:
            raise OutOfMemory(OUT_OF_MEMORY.format(config.batch_size)) from None
        yield pair

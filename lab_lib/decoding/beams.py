"""Diverse beam search (Vijayakumar et al. 2016) and beam sampling, as a `custom_generate` callable.

transformers no longer contains diverse beam search, and its beam sampling draws once for the whole batch, so that an
answer depends on the other rows. Both are ordinary beam search with one change in the ranking of a step's candidates:

    diverse:   score(y) - penalty x (how often earlier groups have chosen token y at this step) sampling:  score(y) +
    Gumbel noise (drawing without replacement from softmax(score), Kool et al. 2019)

where score is a beam's log-probability so far. With one group and no noise it is beam search, token for token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab_lib.decoding.sampling import GumbelNoise


@dataclass(frozen=True)
class BeamPlan:
    """`groups` of `width` beams each; `noise` draws Gumbel noise with one generator per row, or is None."""

    groups: int
    width: int
    penalty: float  # for a token that an earlier group chose at the same step; 0 makes all groups equal
    length_penalty: float
    noise: GumbelNoise | None = None


class Search:
    """The beams of every row: their tokens, their scores, and the answers that have ended.

    Tensors have the shape (rows, groups, width). `rank` holds the scores that the search maximises (with penalties);
    `likely` holds the model's log-probability, which selects one of the answers that ended. A beam that cannot continue
    (its constraint allows fewer tokens than there are beams) has -inf in both.
    """

    def __init__(self, plan: BeamPlan, rows: int, device: Any, dtype: Any):
        import torch

        self.plan, self.rows = plan, rows
        # At the beginning all beams of a group are equal, so only the first one may be continued.
        self.rank = torch.full((rows, plan.groups, plan.width), -torch.inf, device=device, dtype=dtype)
        self.rank[:, :, 0] = 0
        self.likely = self.rank.clone()
        self.ended: list[list[list[tuple[float, list[int]]]]] = [[[] for _ in range(plan.groups)] for _ in range(rows)]
        self.written: Any = torch.zeros(rows * plan.groups * plan.width, 0, dtype=torch.long, device=device)

    def step(self, log_p: Any, eos: int, last: bool) -> Any:
        """Add one token to each beam; return the index of the beam that each one continues, over all rows of `written`.

        `log_p` (rows x groups x width, vocabulary) are log-probabilities of the next token. With `last` every answer
        ends.
        """
        import torch

        plan, vocabulary = self.plan, log_p.shape[-1]
        log_p = log_p.view(self.rows, plan.groups, plan.width, vocabulary)
        taken = log_p.new_zeros(self.rows, vocabulary)
        parents, tokens = [], []
        for group in range(plan.groups):
            rank = self.rank[:, group, :, None] + log_p[:, group] - plan.penalty * taken[:, None]
            likely = self.likely[:, group, :, None] + log_p[:, group]
            beam, token = self._continue(group, rank, likely, eos, last)
            going = torch.tensor([not self.full(row, group) for row in range(self.rows)], device=token.device)
            alive = going[:, None] & (self.rank[:, group] > -torch.inf)
            taken.scatter_add_(1, token, alive.to(taken.dtype))
            parents.append(beam)
            tokens.append(token)
        first = torch.arange(self.rows * plan.groups, device=log_p.device).view(self.rows, -1, 1) * plan.width
        parent = (first + torch.stack(parents, dim=1)).flatten()
        self.written = torch.cat([self.written[parent], torch.stack(tokens, dim=1).view(-1, 1)], dim=-1)
        return parent

    def _continue(self, group: int, rank: Any, likely: Any, eos: int, last: bool) -> tuple[Any, Any]:
        """Choose the continuations of a group's beams: (beam, token), both (rows, width).

        `rank` and `likely` are (rows, width, vocabulary). Among the best 2 x `width` candidates, those that end and
        rank among the first `width` are kept as answers; the best `width` that do not end are continued.
        """
        width, vocabulary = self.plan.width, rank.shape[-1]
        flat = rank.flatten(1)
        drawn = self.plan.noise(None, flat) if self.plan.noise else flat
        index = drawn.topk(2 * width, dim=-1).indices
        beam, token, score = index // vocabulary, index % vocabulary, likely.flatten(1).gather(1, index)
        ends = (token == eos) | last
        for row, place in ends[:, :width].nonzero().tolist():
            self._keep(row, group, beam[row, place], token[row, place].item(), score[row, place].item())
        going = ends.long().argsort(dim=-1, stable=True)[:, :width]  # those that do not end, best first
        self.rank[:, group], self.likely[:, group] = flat.gather(1, index.gather(1, going)), score.gather(1, going)
        return beam.gather(1, going), token.gather(1, going)

    def _keep(self, row: int, group: int, beam: Any, token: int, score: float) -> None:
        """Keep an answer that ended, unless its group already has as many answers as beams."""
        if score > -float("inf") and not self.full(row, group):
            before = self.written[(row * self.plan.groups + group) * self.plan.width + beam].tolist()
            value = score / (len(before) + 1) ** self.plan.length_penalty
            self.ended[row][group].append((value, [*before, token]))

    def full(self, row: int, group: int) -> bool:
        """Return whether a group has as many answers as beams; it then stops."""
        return len(self.ended[row][group]) >= self.plan.width

    def done(self) -> bool:
        """Return whether every group of every row has stopped, or has no beam left to continue."""
        alive = (self.rank > -float("inf")).any(-1).tolist()
        groups = ((row, group) for row in range(self.rows) for group in range(self.plan.groups))
        return all(self.full(row, group) or not alive[row][group] for row, group in groups)

    def best(self, row: int) -> list[int]:
        """Return the best answer of all groups, by log-probability / length ** length_penalty."""
        return max((answer for group in self.ended[row] for answer in group), key=lambda answer: answer[0])[1]


def beam_search(plan: BeamPlan) -> Callable[..., Any]:
    """Return the function for `model.generate(custom_generate=...)`: batched, with KV cache, left padding allowed.

    For decoder-only models; num_beams must be 1. The logits processors of generate() apply to the log-probabilities,
    and its maximum length applies; other stopping criteria do not.
    """

    def search(
        model: Any,
        input_ids: Any,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: Any,
        synced_gpus: bool = False,
        streamer: Any = None,
        **model_kwargs: Any,
    ) -> Any:
        import torch

        start, beams = input_ids.shape[1], plan.groups * plan.width
        mask = model_kwargs.get("attention_mask")
        mask = torch.ones_like(input_ids) if mask is None else mask  # generate() drops a mask of ones
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        out = _forward(model, input_ids, mask, places, model_kwargs.get("past_key_values"))
        cache, logits = out.past_key_values, out.logits[:, -1].repeat_interleave(beams, 0)
        cache.batch_repeat_interleave(beams)
        mask, place = mask.repeat_interleave(beams, 0), (places[:, -1:] + 1).repeat_interleave(beams, 0)
        prompt, eos = input_ids.repeat_interleave(beams, 0), generation_config.eos_token_id
        _repeat_padding(logits_processor, beams)
        wide = logits.dtype if logits.dtype == torch.float64 else torch.float32
        found = Search(plan, len(input_ids), logits.device, wide)
        for length in range(start + 1, generation_config.max_length + 1):
            log_p = logits_processor(torch.cat([prompt, found.written], dim=-1), logits.to(wide).log_softmax(-1))
            parent = found.step(log_p, eos, last=length == generation_config.max_length)
            if found.done():
                break
            cache.batch_select_indices(parent)
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=-1)
            out = _forward(model, found.written[:, -1:], mask, place, cache)
            cache, logits, place = out.past_key_values, out.logits[:, -1], place + 1
        return _with_answers(input_ids, [found.best(row) for row in range(len(input_ids))], generation_config)

    return search


def _repeat_padding(processors: Any, beams: int) -> None:
    """Pass the padding of each beam to the repetition penalty; generate() has counted it for each prompt."""
    import torch

    for processor in processors:
        padding = getattr(processor, "prompt_ignore_length", None)
        if isinstance(padding, torch.Tensor):
            processor.prompt_ignore_length = padding.repeat_interleave(beams)


def _with_answers(prompts: Any, answers: list[list[int]], settings: Any) -> Any:
    """Return prompts (rows, length) followed by the answers, padded on the right."""
    import torch

    width = max(map(len, answers))
    padded = [[*answer, *[settings.pad_token_id] * (width - len(answer))] for answer in answers]
    return torch.cat([prompts, torch.tensor(padded, device=prompts.device)], dim=-1)


def _forward(model: Any, ids: Any, mask: Any, places: Any, cache: Any) -> Any:
    """One pass of the model, extending `cache`."""
    return model(input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)

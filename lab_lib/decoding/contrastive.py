"""Contrastive search (Su et al. 2022, SimCTG) as a `custom_generate` callable; transformers has removed it.

Among the k most likely tokens, choose the one with the largest

    (1 - alpha) x p(v | context)  -  alpha x max_j cos(h_v, h_j)

where h are the last layer's hidden states and j runs over all previous tokens, including the prompt. It is
deterministic; alpha 0 is greedy search. A step costs one forward pass of batch x k rows of one token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def contrastive_search(alpha: float, most: int) -> Callable[..., Any]:
    """Return the function for `model.generate(custom_generate=...)`: batched, with KV cache, left padding allowed.

    `alpha` weighs the penalty (0 to 1), `most` is the maximum number of candidates. Logits processors and stopping
    criteria of generate() apply; beams and sampling do not.
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

        mask = model_kwargs.get("attention_mask")
        mask = torch.ones_like(input_ids) if mask is None else mask  # generate() drops a mask of ones
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        out = _forward(model, input_ids, mask, places, model_kwargs.get("past_key_values"))
        cache, logits, seen = out.past_key_values, out.logits[:, -1], _unit(out.hidden_states[-1])
        place, k = places[:, -1:] + 1, min(most, logits.shape[-1])
        running = torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
        pad = generation_config.pad_token_id
        while True:
            scores = logits_processor(input_ids, logits.float())
            p, candidates = scores.softmax(-1).topk(k, dim=-1)
            # If fewer than k tokens are allowed, the most likely one replaces the forbidden ones.
            allowed = scores.gather(-1, candidates) > -torch.inf
            p, candidates = p.where(allowed, p[:, :1]), candidates.where(allowed, candidates[:, :1])
            cache.batch_repeat_interleave(k)
            grown = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=-1)
            out = _forward(
                model,
                candidates.reshape(-1, 1),
                grown.repeat_interleave(k, 0),
                place.repeat_interleave(k, 0),
                cache,
            )
            states = _unit(out.hidden_states[-1][:, -1]).view(len(p), k, -1)
            chosen = choose(p, states, seen, mask, alpha)
            rows = torch.arange(len(p), device=p.device) * k + chosen
            cache = out.past_key_values
            cache.batch_select_indices(rows)
            logits = out.logits[rows, -1]
            seen = torch.cat([seen, states.flatten(0, 1)[rows].unsqueeze(1)], dim=1)
            token = candidates.flatten()[rows].where(running, torch.as_tensor(pad, device=p.device))
            input_ids, mask, place = torch.cat([input_ids, token[:, None]], dim=-1), grown, place + 1
            if streamer is not None:
                streamer.put(token.cpu())
            running = running & ~stopping_criteria(input_ids, None)
            if not running.any():
                return input_ids

    return search


def choose(p: Any, states: Any, seen: Any, mask: Any, alpha: float) -> Any:
    """Return the index of the chosen candidate of each row, shape (rows,).

    `p` (rows, k): probabilities; `states` (rows, k, width) and `seen` (rows, length, width): hidden states of unit
    length; `mask` (rows, length): 0 where `seen` is padding, which is not compared.
    """
    cosine = states @ seen.transpose(1, 2)
    penalty = cosine.masked_fill(mask[:, None] == 0, -1.0).amax(-1)
    return ((1 - alpha) * p - alpha * penalty).argmax(-1)


def _unit(states: Any) -> Any:
    """Scale hidden states to length 1, in float32 at least, so that products are cosines."""
    import torch

    wide = states if states.dtype == torch.float64 else states.float()
    return torch.nn.functional.normalize(wide, dim=-1)


def _forward(model: Any, ids: Any, mask: Any, places: Any, cache: Any) -> Any:
    """One pass of the model with hidden states, extending `cache`."""
    return model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=places,
        past_key_values=cache,
        use_cache=True,
        output_hidden_states=True,
    )

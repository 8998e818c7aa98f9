"""The textbook decoding loop, for reading: one prompt, and each new token is one pass over the whole text.

The fast decoders (`cached_decoder.py`, `generate.py`) are tested against it, token for token. It does greedy search and
sampling, with constraints; no beams, no contrastive search, no repetition penalties.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.sampling import row_seed, warpers
from lab_lib.prompts.encode import Prompt


def decode(model: Any, tokenizer: Any, prompt: Prompt, config: DecodeConfig) -> list[int]:
    """Return the token ids of the answer to a prompt; the last one is EOS unless the answer was cut at
    max_new_tokens."""
    import torch

    generator = torch.Generator().manual_seed(row_seed(config.seed, prompt.key, prompt.turn))
    answer: list[int] = []
    while len(answer) < config.max_new_tokens and answer[-1:] != [tokenizer.eos_token_id]:
        scores = next_logits(model, prompt.ids, answer)
        allowed = prompt.constraint.allowed(answer) if prompt.constraint is not None else None
        if allowed is not None:
            forbidden = [token for token in range(len(scores)) if token not in allowed]
            scores[forbidden] = -torch.inf  # probability 0
        if config.sample:
            for warper in warpers(config):  # temperature, top-k, top-p, min-p, typical
                scores = warper(None, scores[None])[0]
            # The largest of scores + Gumbel noise is a draw from softmax(scores); -log(exponential) is such noise.
            scores = scores - torch.empty(len(scores)).exponential_(generator=generator).log()
        answer.append(int(scores.argmax()))
    return answer


def next_logits(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> Any:
    """Return the logits of the token that follows the answer so far, float32 (vocabulary,), without a cache."""
    import torch

    with torch.inference_mode():
        if model.config.is_encoder_decoder:  # the encoder reads the prompt, the decoder the answer
            started = [model.config.decoder_start_token_id, *answer]
            out = model(input_ids=torch.tensor([list(prompt)]), decoder_input_ids=torch.tensor([started]))
        else:
            out = model(input_ids=torch.tensor([[*prompt, *answer]]))
    return out.logits[0, -1].float().clone()

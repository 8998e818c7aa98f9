"""A reply with the probability of each of its tokens, and how the playground shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from lab_lib.course.widgets.page import paragraph
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import generate_answers
from lab_lib.decoding.sampling import warpers
from lab_lib.prompts.encode import Prompt, answer_text

LIKELIEST = 3  # tokens that a chip names when it is opened


@dataclass(frozen=True)
class Token:
    """One token of a reply. `p` is the model's probability of it, given all tokens before it.

    `drawn` is its probability in the distribution after temperature, top-k, top-p, min-p and typical; None without
    sampling. `rank` counts from 1, the likeliest; `likeliest` are (text, probability) of the model's first three.
    """

    text: str
    p: float
    rank: int
    likeliest: tuple[tuple[str, float], ...]
    drawn: float | None = None


@dataclass(frozen=True)
class Answer:
    """A decoded reply: its text, its tokens, and whether it ended by itself (or was cut at max_new_tokens)."""

    text: str
    tokens: tuple[Token, ...]
    ended: bool


def decode(loaded: Any, prompt: Prompt, config: DecodeConfig) -> Answer:
    """Decode one reply as a run with this config does, then read the probabilities of its tokens in one more pass.

    `loaded` is what `load_model` returned; its model is left in the mode for generating. Raises LabError for a
    strategy the model cannot do.
    """
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.models.model import generation_mode

    generation_mode(loaded.model)
    with merged_for_decoding(loaded.model, config.exact):
        ids = generate_answers(loaded.model, loaded.tokenizer, [prompt], config)[0]
        logits = reply_logits(loaded.model, prompt.ids, ids)
    text, ended = answer_text(ids, loaded.tokenizer), ids[-1] == loaded.tokenizer.eos_token_id
    return Answer(text, tuple(tokens_of(ids, logits, loaded.tokenizer, config)), ended)


def reply_logits(model: Any, prompt: Sequence[int], reply: Sequence[int]) -> Any:
    """Return the logits that each token of a reply was chosen from, float32 (reply tokens, vocabulary)."""
    import torch

    def row(ids: Sequence[int]) -> Any:
        return torch.tensor([list(ids)], device=model.device)

    with torch.inference_mode():
        if model.config.is_encoder_decoder:
            before = (model.config.decoder_start_token_id, *reply[:-1])
            logits = model(input_ids=row(prompt), decoder_input_ids=row(before)).logits[0]
        else:
            logits = model(input_ids=row((*prompt, *reply[:-1]))).logits[0, len(prompt) - 1 :]
    return logits.float()


def tokens_of(ids: Sequence[int], logits: Any, tokenizer: Any, config: DecodeConfig) -> list[Token]:
    """Return the tokens of a reply with their probabilities; `logits` as from `reply_logits`."""
    model_p = logits.softmax(-1)
    left = logits
    for warper in warpers(config) if config.sample else ():
        left = warper(None, left)  # warpers use the scores alone
    drawn_p = left.softmax(-1)
    tokens = []
    for place, id in enumerate(ids):
        p = float(model_p[place, id])
        best = model_p[place].topk(LIKELIEST)
        likeliest = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        tokens.append(
            Token(
                token_text(id, tokenizer),
                p,
                1 + int((model_p[place] > p).sum()),
                tuple((token_text(other, tokenizer), other_p) for other, other_p in likeliest),
                float(drawn_p[place, id]) if config.sample else None,
            )
        )
    return tokens


def token_text(id: int, tokenizer: Any) -> str:
    """Return a token in visible characters: spaces as `·`, line breaks as `↵`, EOS as `⟨end⟩`, others by code."""
    if id == tokenizer.eos_token_id:
        return "⟨end⟩"
    text, piece = tokenizer.decode([id]), tokenizer.convert_ids_to_tokens(id)
    # When they decode a single token, some tokenizers drop the space that its piece begins with (Ġ or ▁).
    if piece[:1] in ("Ġ", "▁") and not text.startswith(" "):
        text = f" {text}"
    text = text.replace(" ", "·").replace("\n", "↵")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def answer_html(answer: Answer) -> Markup:
    """Return a reply, its tokens as chips with their probabilities in per cent, and a line of explanation."""
    logs = [math.log(max(token.p, 1e-30)) for token in answer.tokens]
    ending = "ended by itself" if answer.ended else "cut at max_new_tokens"
    line = f"{len(logs)} tokens, {ending}; log probability {sum(logs):.2f} nats, {sum(logs) / len(logs):.2f} per token"
    line += ". Below each token: its probability in per cent; the less likely, the more orange. Click one for more."
    chips = Markup("").join(map(chip, answer.tokens))
    said = Markup("<b>{}</b>").format(answer.text) if answer.text else Markup("<i>empty reply</i>")
    return Markup("<p>{}</p><div class='chips'>{}</div>{}").format(said, chips, paragraph(line, "soft"))


def chip(token: Token) -> Markup:
    """Return a token with its probability under it: the less likely, the more orange; a click opens the details."""
    others = ", ".join(f"{text} {p:.1%}" for text, p in token.likeliest)
    tip = f"probability {token.p:.2%}, rank {token.rank}; likeliest: {others}"
    if token.drawn is not None:
        tip += f"; drawn with {token.drawn:.2%}"
    # At most 0.6 of the colour: text keeps a contrast above 4.5 on it in both themes.
    shade = f"rgba(213, 94, 0, {0.6 * (1 - token.p):.2f})"
    return Markup(
        "<details class='chip' style='background: {}' title='{}'><summary>{}<small>{}</small></summary>{}</details> "
    ).format(shade, tip, token.text, percent(token.p), tip)


def percent(p: float) -> str:
    """Return a probability in per cent, short.

    >>> percent(0.873), percent(0.0042), percent(0.00001)
    ('87', '0.4', '<0.1')
    """
    if p < 0.001:
        return "<0.1"
    return f"{100 * p:.0f}" if p >= 0.01 else f"{100 * p:.1f}"

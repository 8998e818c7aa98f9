"""Every knob of decoding, once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import Literal

from lab_lib.errors import LabError


@dataclass(frozen=True)
class DecodeConfig:
    """How answers are generated. The default is greedy search: deterministic, and what most published rows use."""

    sample: bool = False  # draw tokens at random; temperature, top_k, top_p, min_p and typical_p need it
    temperature: float = 1.0  # below 1 safer and duller, above 1 more varied and more wrong
    top_k: int = 0  # keep the k likeliest tokens, 0 keeps all; the number of candidates of contrastive search
    top_p: float = 1.0  # keep the likeliest tokens that together have this probability; 0.9 is usual
    min_p: float = 0.0  # keep tokens at least this fraction as likely as the likeliest one
    typical_p: float = 1.0  # keep tokens of typical information content with this total probability
    # Contrastive search above 0 (published: 0.6 with top_k 5): penalises tokens whose hidden state repeats the context.
    penalty_alpha: float | None = None
    beams: int = 1  # beam search above 1: time and memory grow in proportion
    beam_groups: int = 1  # diverse beams above 1: the beams form this many groups, which avoid each other's tokens
    diversity_penalty: float = 0.0  # with beam_groups: how much they do; the paper's best values are 0.2 to 0.8
    length_penalty: float = 1.0  # with beams: above 1 favours longer replies
    # Tokens guessed at a time by copying from the prompt. Greedy search's replies, in fewer steps where they repeat the
    # prompt; one reply at a time, so slower wherever a batch fits.
    prompt_lookup: int = 0
    # Above 1 says more strongly what the prompt asks for (guidance.py): more control, worse text. Two passes a token.
    guidance: float = 1.0
    # Above 1 avoids tokens already seen, those of the history too; with an encoder (T5) those of the reply only.
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0  # forbid repeating n-grams of this size; 0 allows all
    # The system's earlier turns in a prompt. gold: those of the corpus. own: the model's own answers, as in a real
    # conversation; it then knows whether it has offered a venue already.
    history: Literal["gold", "own"] = "gold"
    # Added to the logit of the token that opens a placeholder: above 0 the system offers venues and tells facts more
    # often, but too much spoils the wording; choose it on dev.
    slot_bias: float = 0.0
    # The same for words of the plan (with task.plan), for example {name: 3, end: -1}: offer venues more often, make
    # plans longer (`end` is what ends a plan).
    plan_bias: dict = field(default_factory=dict)
    max_new_tokens: int = 80  # a reply is cut here; MultiWOZ replies have 17 words on average
    min_new_tokens: int = 0
    # Rows of the computation at once; halve it when memory runs out, the answers stay the same. A prompt is a row, with
    # beams or contrastive search as many rows as beams or candidates.
    batch_size: int = 32
    seed: int = 0
    # True computes in float64: the same answers whatever the batch, near ties too. Slower, twice the memory.
    exact: bool = False
    # transformers runs everywhere; vllm (extra `vllm`, GPUs only) is for large models: greedy search and sampling.
    backend: Literal["transformers", "vllm"] = "transformers"

    def __post_init__(self) -> None:
        """Refuse settings that would be ignored or mean nothing."""
        sampling = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "typical_p": 1.0}
        if self.penalty_alpha is not None:
            _check(not self.sample and self.beams == 1, "penalty_alpha goes with neither sample nor beams")
            _check(0 <= self.penalty_alpha <= 1 and self.top_k >= 1, "penalty_alpha lies in [0, 1] and needs top_k")
            del sampling["top_k"]
        ignored = [name for name, neutral in sampling.items() if getattr(self, name) != neutral]
        if ignored and not self.sample:
            raise LabError(f"decoding.{ignored[0]} has no effect without decoding.sample=true")
        if self.length_penalty != 1.0 and self.beams == 1:
            raise LabError("decoding.length_penalty has no effect without decoding.beams above 1")
        if self.diversity_penalty != 0.0 and self.beam_groups == 1:
            raise LabError("decoding.diversity_penalty has no effect without decoding.beam_groups above 1")
        if self.beam_groups != 1:
            _check(
                self.beam_groups >= 1 and self.beams % self.beam_groups == 0, "beams must be a multiple of beam_groups"
            )
            _check(self.diversity_penalty > 0, "beam_groups needs diversity_penalty above 0, or all groups are equal")
            _check(not self.sample, "beam_groups does not go with sample")
        if self.prompt_lookup:
            alone = not self.sample and self.beams == 1 and self.penalty_alpha is None
            _check(self.prompt_lookup >= 1 and alone, "prompt_lookup is 0 or more and goes with greedy search only")
        if self.guidance != 1.0:
            alone = self.beams == 1 and self.penalty_alpha is None and not self.prompt_lookup
            _check(
                0 < self.guidance < inf and alone,
                "guidance is above 0 and finite, and goes with greedy search and sampling only",
            )
        _check(self.temperature > 0, "temperature must be above 0; for greedy search set sample=false")
        _check(0 < self.top_p <= 1 and 0 < self.typical_p <= 1, "top_p and typical_p lie in (0, 1]")
        _check(0 <= self.min_p <= 1, "min_p lies in [0, 1]")
        _check(self.top_k >= 0 and self.no_repeat_ngram >= 0, "top_k and no_repeat_ngram are 0 or more")
        _check(self.repetition_penalty > 0, "repetition_penalty must be above 0")
        _check(self.beams >= 1 and self.batch_size >= 1, "beams and batch_size are at least 1")
        _check(0 <= self.min_new_tokens <= self.max_new_tokens, "min_new_tokens is at most max_new_tokens")
        _check(self.max_new_tokens >= 1, "max_new_tokens is at least 1")
        _check(isfinite(self.slot_bias) and isfinite(self.length_penalty), "slot_bias and length_penalty are finite")
        for word, bias in self.plan_bias.items():
            number = type(bias) in (int, float) and isfinite(bias)
            _check(isinstance(word, str) and number, f"plan_bias: {word}: {bias}: expected a word and a finite number")

    def writing(self, asked: str) -> DecodeConfig:
        """Return the settings with which a `reply`, a `call` or a `plan` is generated.

        Calls and plans are decoded greedily: strategies are about wording, and a call has one right wording. A penalty
        of repetition, for example, would keep a call from repeating what the user has said.
        """
        if asked == "reply":
            return replace(self, plan_bias={})
        bias = self.plan_bias if asked == "plan" else {}
        room, rows = self.max_new_tokens, self.batch_size
        return DecodeConfig(history=self.history, plan_bias=bias, max_new_tokens=room, batch_size=rows)

    @property
    def rows_a_prompt(self) -> int:
        """How many rows of the computation a prompt is: its beams, or the candidates of contrastive search."""
        return self.beams if self.penalty_alpha is None else self.top_k

    @property
    def prompts_at_once(self) -> int:
        """How many prompts (or dialogues) make a batch."""
        return max(1, self.batch_size // self.rows_a_prompt)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise LabError(f"decoding: {message}")

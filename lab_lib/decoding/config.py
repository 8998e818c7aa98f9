"""Every setting of decoding, once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, isfinite
from typing import Literal

from lab_lib.errors import LabError


@dataclass(frozen=True)
class DecodeConfig:
    """How answers are generated. The default is greedy search: it is deterministic, and most published rows use it."""

    sample: bool = False  # true draws tokens at random; temperature, top_k, top_p, min_p and typical_p need it
    temperature: float = 1.0  # below 1: safer and less varied; above 1: more varied, with more errors
    top_k: int = 0  # keep the k most likely tokens, 0 keeps all; in contrastive search the number of candidates
    top_p: float = 1.0  # keep the most likely tokens that together have this probability; 0.9 is usual
    min_p: float = 0.0  # keep tokens with at least this fraction of the highest probability
    typical_p: float = 1.0  # keep tokens of typical information content with this total probability
    # Contrastive search above 0 (published: 0.6 with top_k 5): penalises tokens whose hidden state repeats the context.
    penalty_alpha: float | None = None
    beams: int = 1  # above 1: beam search; time and memory grow in proportion
    beam_groups: int = 1  # above 1: diverse beams, in this many groups that avoid each other's tokens
    diversity_penalty: float = 0.0  # with beam_groups: penalty of repeated tokens; best 0.2 to 0.8 in the paper
    length_penalty: float = 1.0  # with beams: values above 1 favour longer replies
    # Number of tokens that are guessed at a time by copying from the prompt. Gives the replies of greedy search, in
    # fewer steps if they repeat the prompt. It decodes one reply at a time, so it is slower whenever a batch fits.
    prompt_lookup: int = 0
    # Values above 1 strengthen the request of the prompt (guidance.py): more control, worse text. Two passes per token.
    guidance: float = 1.0
    # Values above 1 penalise tokens that occurred before, also in the history; with an encoder (T5) only in the reply.
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0  # n-grams of this size must not repeat; 0 allows all
    # The system's earlier turns in a prompt. gold: the turns of the corpus. own: the model's own answers, as in a real
    # conversation, so the prompt shows whether the model has already offered a venue.
    history: Literal["gold", "own"] = "gold"
    # Added to the logit of the token that opens a placeholder. With values above 0 the system offers venues and gives
    # facts more often; large values spoil the wording. Choose it on dev.
    slot_bias: float = 0.0
    # Added to the logits of words of the plan (with task.plan): {name: 3, end: -1} offers venues more often and makes
    # plans longer (`end` is the word that ends a plan).
    plan_bias: dict = field(default_factory=dict)
    max_new_tokens: int = 80  # a reply is cut here; MultiWOZ replies have 17 words on average
    min_new_tokens: int = 0
    # Rows per forward pass; halve it if memory runs out, the answers stay the same. A prompt is one row; with beams or
    # contrastive search it has one row per beam or candidate.
    batch_size: int = 32
    seed: int = 0
    # True computes in float64: the answers do not depend on the batch, even at near ties. Slower, twice the memory.
    exact: bool = False
    # transformers runs everywhere; vllm (extra `vllm`, GPUs only) is for large models, with greedy search or sampling.
    backend: Literal["transformers", "vllm"] = "transformers"

    def __post_init__(self) -> None:
        """Refuse settings that would be ignored or are impossible."""
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

        Calls and plans are decoded greedily: strategies vary the wording, and a call has only one correct wording. A
        repetition penalty, for example, would keep a call from repeating the user's words.
        """
        if asked == "reply":
            return replace(self, plan_bias={})
        bias = self.plan_bias if asked == "plan" else {}
        room, rows = self.max_new_tokens, self.batch_size
        return DecodeConfig(history=self.history, plan_bias=bias, max_new_tokens=room, batch_size=rows)

    @property
    def rows_a_prompt(self) -> int:
        """The number of rows per prompt: its beams, or the candidates of contrastive search."""
        return self.beams if self.penalty_alpha is None else self.top_k

    @property
    def prompts_at_once(self) -> int:
        """The number of prompts (or dialogues) per batch."""
        return max(1, self.batch_size // self.rows_a_prompt)


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise LabError(f"decoding: {message}")

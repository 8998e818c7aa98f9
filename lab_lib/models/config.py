"""Every setting of the base model, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_lib.models.hardware import Attention, Dtype

Quantisation = Literal["none", "8bit", "4bit"]
QuantType = Literal["nf4", "fp4"]


@dataclass(frozen=True)
class ModelConfig:
    """Which base model, and how it is held in memory."""

    # A bundled name (lab-tiny; t5-tiny, which has no weights), a folder with config.json, tokenizer and safetensors,
    # or a hub name (owner/name). An encoder-decoder (T5) is recognised by its config.json.
    name: str = "lab-tiny"
    # A branch, tag or commit of a hub repository; the newest of its main branch when left out. Pin a commit to
    # get the same weights next year.
    revision: str | None = None
    # none | 8bit | 4bit: 16, 8 or about 4.1 bits a weight of the linear layers. 4bit is QLoRA: a quarter of the
    # memory; none is faster where the model fits, and needed for full fine-tuning.
    quantisation: Quantisation = "4bit"
    # nf4 | fp4: nf4's sixteen levels are the quantiles of a normal distribution, as weights are; fp4 is less exact.
    quant_type: QuantType = "nf4"
    # True quantises the scales of the 64-weight blocks too: 0.5 -> 0.127 bits per weight, for a little time.
    double_quant: bool = True
    # auto | fastest | bf16 | fp16 | fp32: the number format of the computations. auto takes what the hardware does
    # natively; fastest measures bf16 against fp32 when a run begins on a CPU, and the run keeps the winner.
    dtype: Dtype = "auto"
    # auto | fastest | eager | sdpa | chunked | flash_attention_2: eager is the slowest and most readable; all compute
    # the same thing. chunked is for training in bf16 on a CPU; fastest measures it against sdpa when a run begins.
    attention: Attention = "auto"
    # A LoRA adapter to put on the base: a bundled name (town-adapter, town-end-to-end: both on lab-tiny), a folder or a
    # hub name; none when left out. Training trains it further, with the `lora` section that it was made with; the base
    # stays as it is.
    adapter: str | None = None
    # True runs Python code that comes with the model, with all your rights. Read that code first.
    trust_remote_code: bool = False
    # Tokens that are added to the vocabulary, for example ["[EMOTION]", "[/EMOTION]"]: each begins as the mean of all
    # token vectors, and is learned with lora.embeddings=true or lora.method=full.
    added_tokens: tuple[str, ...] = ()
    # True discards the pretrained weights and starts from random ones (needs quantisation=none, method=full).
    from_scratch: bool = False
    # The seed of those random weights.
    seed: int = 1

"""Every setting of the base model, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab_lib.models.hardware import Attention, Dtype

Quantisation = Literal["none", "8bit", "4bit"]
QuantType = Literal["nf4", "fp4"]


@dataclass(frozen=True)
class ModelConfig:
    """The base model and how it is held in memory."""

    # A bundled name (lab-tiny; t5-tiny, which has no weights), a folder with config.json, tokenizer and safetensors,
    # or a hub name (owner/name). An encoder-decoder (T5) is recognised by its config.json.
    name: str = "lab-tiny"
    # A branch, tag or commit of a hub repository; if omitted, the newest commit of its main branch. Pin a commit to get
    # the same weights next year.
    revision: str | None = None
    # none | 8bit | 4bit: 16, 8 or about 4.1 bits per weight of the linear layers. 4bit is QLoRA: a quarter of the
    # memory; none is faster if the model fits, and full fine-tuning needs it.
    quantisation: Quantisation = "4bit"
    # nf4 | fp4: the 16 levels of nf4 are quantiles of a normal distribution, which weights follow; fp4 is less exact.
    quant_type: QuantType = "nf4"
    # True quantises the scales of the 64-weight blocks too: 0.5 -> 0.127 bits per weight, for a little time.
    double_quant: bool = True
    # auto | fastest | bf16 | fp16 | fp32: the number format of the computations. auto takes a format that the hardware
    # supports natively; on a CPU, fastest measures bf16 against fp32 when a run begins and keeps the faster one.
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
    # Tokens to add to the vocabulary, for example ["[EMOTION]", "[/EMOTION]"]: each starts as the mean of all token
    # vectors and is trained with lora.embeddings=true or lora.method=full.
    added_tokens: tuple[str, ...] = ()
    # True discards the pretrained weights and starts from random ones (needs quantisation=none, method=full).
    from_scratch: bool = False
    # The seed of those random weights.
    seed: int = 1

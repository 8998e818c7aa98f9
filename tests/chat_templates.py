"""Chat templates in the shapes of well-known models, written by ourselves, and small tokenizers that have their tokens.

What matters of each is kept: which roles it knows, whether turns must alternate, where the system's words stand, what
ends an answer, what is a token of its own and what is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tiny_models import TEXTS

ALTERNATE = (
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
)


@dataclass(frozen=True)
class Shape:
    """A template, the special tokens of its vocabulary (beside <pad>, <s>, </s>), and what kind of tokenizer it has.

    `kind`: bytes (byte-level BPE, as GPT-2's) or pieces (▁ for a space, one before every text, as Llama 2's).
    `end` ends an answer; `eos` and `pad` are what the tokenizer calls so. `added` are added tokens, not special.
    """

    template: str
    special: tuple[str, ...] = ()
    end: str = "</s>"
    eos: str = "</s>"
    pad: str = "<pad>"
    kind: str = "bytes"
    added: tuple[str, ...] = ()


# The system's words stand inside the first user message; nothing but BOS and EOS is a token of its own.
LLAMA2 = Shape(
    "{% set said = messages %}{% set system = '' %}"
    "{% if messages[0].role == 'system' %}{% set said = messages[1:] %}"
    "{% set system = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' %}{% endif %}"
    "{% for message in said %}" + ALTERNATE + "{% if message.role == 'user' %}"
    "{{ bos_token + '[INST] ' + (system if loop.first else '') + message.content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + message.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    kind="pieces",
)

# Any role has a header.
LLAMA3 = Shape(
    "{% for message in messages %}{{ bos_token if loop.first else '' }}"
    "{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    end="<|eot_id|>",
    eos="<|eot_id|>",
)

# No system role at all; [INST] is a token.
MISTRAL = Shape(
    "{{ bos_token }}{% for message in messages %}" + ALTERNATE + "{% if message.role == 'user' %}"
    "{{ '[INST] ' + message.content + '[/INST]' }}"
    "{% elif message.role == 'assistant' %}{{ ' ' + message.content + eos_token }}"
    "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}",
    ("[INST]", "[/INST]"),
    kind="pieces",
)

# No system role; the tokenizer's EOS is not what ends a turn.
GEMMA = Shape(
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for message in messages %}" + ALTERNATE + "{% set role = 'model' if message.role == 'assistant' else "
    "message.role %}{{ '<start_of_turn>' + role + '\\n' + message.content | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
    ("<start_of_turn>", "<end_of_turn>", "<eos>"),
    end="<end_of_turn>",
    eos="<eos>",
    kind="pieces",
    added=("\n", "\n\n"),
)

# ChatML with a system prompt of its own, and tools' answers inside a user message.
QWEN = Shape(
    "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}{% endif %}"
    "{% for message in messages %}{% if message.role == 'tool' %}"
    "{% if messages[loop.index0 - 1].role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}"
    "{{ '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}"
    "{% if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{ '<|im_end|>\\n' }}{% endif %}"
    "{% else %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    end="<|im_end|>",
    eos="<|im_end|>",
    pad="<|endoftext|>",
    added=("<tool_response>", "</tool_response>", "<think>", "</think>"),
)

# What it thought is written in the last answer only: an answer looks another way once somebody has replied to it.
QWEN3 = replace(
    QWEN,
    template="{% for message in messages %}{% set thought = '<think>\\n\\n</think>\\n\\n' if loop.last and "
    "message.role == 'assistant' else '' %}"
    "{{ '<|im_start|>' + message.role + '\\n' + thought + message.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{% endif %}",
)

# Roles it does not know are left out without a word; it ends a chat with a token of its own.
PHI = Shape(
    "{% for message in messages %}{% if message.role in ('system', 'user', 'assistant') %}"
    "{{ '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' }}{% endif %}{% endfor %}"
    "{{ '<|assistant|>\\n' if add_generation_prompt else eos_token }}",
    ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    end="<|end|>",
    eos="<|endoftext|>",
)

# ChatML, any role.
SMOLLM = Shape(
    "{% for message in messages %}{% if loop.first and message.role != 'system' %}"
    "{{ '<|im_start|>system\\nYou are small.<|im_end|>\\n' }}{% endif %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    end="<|im_end|>",
    eos="<|im_end|>",
    pad="<|endoftext|>",
)

# ChatML with a section for tools, in the system's message.
HERMES = replace(
    QWEN,
    template="{% set system = messages[0].content if messages[0].role == 'system' else 'You are helpful.' %}"
    "{{ '<|im_start|>system\\n' + system }}{% if tools %}{{ '\\n<tools>' }}"
    "{% for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor %}{{ '\\n</tools>' }}{% endif %}"
    "{{ '<|im_end|>\\n' }}"
    "{% for message in messages %}{% if message.role in ('user', 'assistant') %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
)

# The tools stand in front of the last user's words alone: a second turn rewrites the first.
MISTRAL_TOOLS = replace(
    MISTRAL,
    template=MISTRAL.template.replace(
        "{{ '[INST] ' + message.content",
        "{% if tools and message == (messages | selectattr('role', 'equalto', 'user') | list)[-1] %}"
        "{{ '[TOOLS] ' + (tools | tojson) }}{% endif %}{{ '[INST] ' + message.content",
    ),
)

SHAPES = {
    "llama2": LLAMA2,
    "llama3": LLAMA3,
    "mistral": MISTRAL,
    "gemma": GEMMA,
    "qwen": QWEN,
    "phi": PHI,
    "smollm": SMOLLM,
}


def chat_tokenizer(shape: Shape, folder: Path | None = None) -> Any:
    """Return a tokenizer with the template and tokens of a shape; saved in `folder` and loaded again, where given."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    special = ["<unk>", "<pad>", "<s>", "</s>", *shape.special]
    if shape.kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        special += [f"<0x{byte:02X}>" for byte in range(256)]
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")  # words, while it learns
        alphabet = sorted({symbol for text in TEXTS for symbol in text.replace(" ", "▁")} | set('[]<>/|_:{}()="'))
    trainer = trainers.BpeTrainer(
        vocab_size=len(special) + 350, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    texts = [line for text in TEXTS for line in text.split("\n")]
    tokenizer.train_from_iterator([*texts, "system user assistant model tool call state plan found"], trainer)
    if shape.kind == "pieces":
        tokenizer.pre_tokenizer = None
        # Bytes are entries of the vocabulary, and no added tokens.
        tokenizer = without_added(tokenizer, {f"<0x{byte:02X}>" for byte in range(256)})
    tokenizer.add_tokens([AddedToken(token, normalized=False, special=False) for token in shape.added])
    names = {"unk_token": "<unk>", "pad_token": shape.pad, "bos_token": "<s>", "eos_token": shape.eos}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=shape.template, **names)
    if folder is None:
        return fast
    fast.save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


def without_added(tokenizer: Any, tokens: set[str]) -> Any:
    """Return the tokenizer with some tokens in its vocabulary alone."""
    import json

    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] not in tokens]
    return Tokenizer.from_str(json.dumps(state))

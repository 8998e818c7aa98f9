"""Tiny randomly initialised models of each family, with a tokenizer trained on the spot: real files, no download.

Hidden size 64, two layers, weights of a fixed seed; each function writes a complete model folder and returns it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEXTS = (
    "user> i want a cheap restaurant in the north\nbot> the [name] is cheap , shall i book it ?",
    "user> is there a train to the city on monday\nbot> the [id] leaves at 09:15 , do you want a ticket ?",
    "user> thank you , that is all\nbot> you are welcome , goodbye !",
)


def tiny_tokenizer(folder: Path, pad: str | None = "<pad>", special: tuple[str, ...] = ()) -> Any:
    """Save a byte-level BPE tokenizer of 320 entries or fewer; ids 0, 1, 2 are <pad>, <s>, </s>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>" if pad == "<pad>" else "<none>", "<s>", "</s>", *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad, bos_token="<s>", eos_token="</s>")
    fast.save_pretrained(folder)
    return fast


def t5_tokenizer(folder: Path) -> Any:
    """Save a tokenizer of T5's own kind: Unigram pieces that carry their space, no BOS, no line break."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import T5Tokenizer

    learner = Tokenizer(models.Unigram())
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False)
    learner.train_from_iterator([text.replace("\n", " ") for text in TEXTS] * 5, trainer)
    pieces = sorted(learner.get_vocab().items(), key=lambda item: item[1])
    tokenizer = T5Tokenizer(vocab=[(piece, -float(n)) for n, (piece, _) in enumerate(pieces)], extra_ids=4)
    tokenizer.save_pretrained(folder)
    return tokenizer


def _save(folder: Path, model_class: Any, shape: Any, seed: int) -> Path:
    """Write random weights of a seed, and the tokenizer, into a folder."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model_class(shape).save_pretrained(folder)
    tiny_tokenizer(folder)
    return folder


def tiny_llama(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """Llama: q_proj, k_proj, v_proj, o_proj; gate_proj, up_proj, down_proj; a separate lm_head."""
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"vocab_size": 320, "max_position_embeddings": 512, "tie_word_embeddings": False, "initializer_range": 0.2}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return _save(folder, LlamaForCausalLM, LlamaConfig(**shape | ids | changes), seed)


def tiny_neox(folder: Path, seed: int = 0) -> Path:
    """GPT-NeoX (Pythia): query_key_value, dense; dense_h_to_4h, dense_4h_to_h; embed_out. Padded vocabulary."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    shape = GPTNeoXConfig(
        vocab_size=384,  # more rows than the tokenizer has ids, as Pythia's 50304 against 50277
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        bos_token_id=1,
        eos_token_id=2,
    )
    return _save(folder, GPTNeoXForCausalLM, shape, seed)


def tiny_falcon(folder: Path, seed: int = 0) -> Path:
    """Falcon: self_attention.query_key_value, self_attention.dense; mlp.dense_h_to_4h, mlp.dense_4h_to_h; tied."""
    from transformers import FalconConfig, FalconForCausalLM

    shape = FalconConfig(
        vocab_size=320, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, bos_token_id=1, eos_token_id=2
    )
    return _save(folder, FalconForCausalLM, shape, seed)


def tiny_gpt2(folder: Path, seed: int = 0) -> Path:
    """GPT-2: attn.c_attn, attn.c_proj; mlp.c_fc, mlp.c_proj, all Conv1D; learnt positions; tied; dropout of its own."""
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = GPT2Config(
        vocab_size=320, n_embd=64, n_layer=2, n_head=4, n_positions=512, initializer_range=0.2,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return _save(folder, GPT2LMHeadModel, shape, seed)


def tiny_t5(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """T5 (encoder-decoder): SelfAttention and EncDecAttention with q, k, v, o; DenseReluDense with wi, wo."""
    from transformers import T5Config, T5ForConditionalGeneration

    shape = {"vocab_size": 320, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}
    ids = {"pad_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 0}
    return _save(folder, T5ForConditionalGeneration, T5Config(**shape | ids | changes), seed)


def tiny_flan(folder: Path, seed: int = 0) -> Path:
    """Flan-T5 and T5 v1.1: wi_0, wi_1, wo with a gated GELU, and an output layer of its own."""
    import json

    import torch
    from safetensors.torch import load_file, save_file

    tiny_t5(folder, seed, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    weights = load_file(folder / "model.safetensors")  # T5Config ties the output layer, whatever it is told
    output = torch.randn(320, 64, generator=torch.Generator().manual_seed(seed)) * 0.1
    save_file({**weights, "lm_head.weight": output}, folder / "model.safetensors", {"format": "pt"})
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"tie_word_embeddings": False}))
    return folder


FAMILIES = {"llama": tiny_llama, "neox": tiny_neox, "falcon": tiny_falcon, "gpt2": tiny_gpt2, "t5": tiny_t5}
IDS = [1, 50, 60, 70, 80, 90]


def forward(model: Any) -> Any:
    """Run a model over IDS, in the mode it is in; an encoder-decoder is forced through them too."""
    import torch

    ids = torch.tensor([IDS])
    extra = {"labels": ids} if model.config.is_encoder_decoder else {}
    return model(input_ids=ids, **extra)


def tiny_adapter(base: Path, folder: Path, scale: float = 0.05, **lora: Any) -> Path:
    """Save an adapter for a base as if it had been trained: its B matrices are random instead of zero."""
    import torch

    from lab_lib.models.config import ModelConfig
    from lab_lib.models.model import load_model
    from lab_lib.training.lora import LoraConfig, attach_lora

    loaded = load_model(ModelConfig(str(base), quantisation="none"), for_training=True)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model, _ = attach_lora(loaded.model, LoraConfig(**{"rank": 4, **lora}))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=scale)
    model.save_pretrained(folder)
    return folder

"""Optimisations for a laptop without GPU. Each file holds one of them, and each can be removed.

| file | what it is for | gain |
|---|---|---:|
| merged_for_decoding.py | generation: one fp32 product per layer instead of 4-bit weight, A and B | 1.67 |
| unpacked_for_training.py | 4-bit training on short rows: each weight is unpacked once, not twice per step | 1.13 |
| fused_adapters.py | 4-bit training in bf16: a layer and its adapter are one operation | 1.15 |
| denormals.py | training a T5: denormal numbers are treated as zero | 1.71 |
| chunked_attention.py | training in bf16: products large enough for the processor's bf16 instructions | 1.00 |
| allocator.py | training: freed memory stays in the process, except for blocks of over 16 MB | 1.00 |

The gain is the processor time without the optimisation divided by the time with it, measured by
`benchmarks/fast_cpu.py` on an Intel Xeon (avx512_bf16, one thread): generation and training steps of lab-tiny, and
steps of a T5 with sharp attention. On that machine chunked attention and the allocator gain nothing and cost nothing.
Fused adapters were measured on an Intel Xeon with AMX, where SmolLM2 gains 1.27 (docs/lab-log.md). On an AMD EPYC, also
with avx512_bf16, chunked attention took 0.54 of the fused kernel's time, and the allocator made training steps 1.27
times faster, since its system zeroed pages slowly. Chunked attention rounds differently from the fused kernel, so an
adapter trained with it differs in its last bits.
"""

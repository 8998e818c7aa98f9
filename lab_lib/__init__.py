"""Fine-tuning language models for dialogue: corpora, QLoRA training, decoding and trusted scores.

Importing this package is cheap: torch, transformers, bitsandbytes and plotting are imported inside the
functions that use them, so reading data and scoring need neither.
"""

__version__ = "0.1.0"

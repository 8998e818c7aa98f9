"""Base models: loading, quantisation, tokenizer, adapters, the hub, and hardware choices with their reasons."""

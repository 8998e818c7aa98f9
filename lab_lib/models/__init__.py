"""Which model? Loading, quantisation, tokenizer, adapters, the hub, and hardware choices with their reasons."""

"""Fine-tuning: one config, LoRA and QLoRA, preference training, the training run and its checkpoints."""

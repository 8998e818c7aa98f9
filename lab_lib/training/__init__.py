"""How the model learns: one config, hardware choices with reasons, QLoRA, the fine-tuning run."""

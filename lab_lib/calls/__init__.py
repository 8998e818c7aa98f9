"""What may be called? Function descriptions, and reading calls out of model output without running any of it."""

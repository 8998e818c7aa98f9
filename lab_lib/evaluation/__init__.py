"""Evaluation: scorers that give the official numbers, with confidence intervals."""

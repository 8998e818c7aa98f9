"""Pretraining of lab-tiny: a seeded, resumable script."""

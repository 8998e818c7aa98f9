"""Candidates: utterances from a model or a transcript, reviewed by a person before training."""

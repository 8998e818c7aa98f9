"""Candidates: utterances that a model wrote or a transcript holds, and reviewed before they are learned."""

"""Dialogues written from nothing: generation, scores, table and figure."""

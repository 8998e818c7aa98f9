"""Free generation of whole dialogues: generation, scores, table and figure."""

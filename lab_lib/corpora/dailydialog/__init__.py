"""DailyDialog, and corpora in its layout: short everyday conversations, an emotion and an act for each utterance.

types.py: the types; spacing.py: converts spaced tokens to written English; read.py: folders and the official archive;
leaks.py: finds test dialogues that are also in train, and makes the clean test split.
"""

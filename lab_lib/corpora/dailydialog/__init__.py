"""DailyDialog, and corpora in its layout: short everyday conversations, an emotion and an act for each utterance.

types.py: what a dialogue is; spacing.py: from spaced tokens to written English; read.py: folders and the official
archive; leaks.py: what of the test split stands in train, and the clean test without it.
"""

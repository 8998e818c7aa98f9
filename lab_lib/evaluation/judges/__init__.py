"""Judges: models that read an utterance and say which emotion it has.

labelled.py: what they learn from, and the two halves of train; tfidf.py and encoder.py: the two kinds (encoder_training
and encoder_checkpoint: how the second one learns, and resumes); card.py: how good one is; confusion.py: what a judge's
errors do to a measured share, and its correction; store.py: where they lie.
"""

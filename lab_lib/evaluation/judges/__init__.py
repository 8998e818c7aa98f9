"""Judges: models that read an utterance and say which emotion it has.

labelled.py: their training data, and the two halves of train; tfidf.py and encoder.py: the two kinds (encoder_training
and encoder_checkpoint: training and resuming the second one); card.py: the quality of a judge; confusion.py: the effect
of a judge's errors on a measured share, and its correction; store.py: the folders of judges.
"""

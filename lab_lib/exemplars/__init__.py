"""Exemplars of functions: labelled utterances, their templates and their sources."""

"""Preference pairs: best and worst of several answers of a run."""

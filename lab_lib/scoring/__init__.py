"""Prediction files of anybody: one file with its report, or a folder as a leaderboard."""

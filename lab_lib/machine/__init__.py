"""Measure this machine: checks, speed, profile, largest batch."""

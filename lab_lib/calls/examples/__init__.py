"""Example files of skills: what users say, and the call that answers it. Read with line numbers, written, checked."""

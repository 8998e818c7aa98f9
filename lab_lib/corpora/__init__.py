"""Corpora: frozen dialogue types, one reader per format, audits and verified downloads."""

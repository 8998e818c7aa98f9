"""What was said: frozen dialogue types, one reader a format, audits and verified downloads."""

"""Talk to a model in a terminal."""

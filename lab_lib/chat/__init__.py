"""Talk to a model in a terminal or in a browser page."""

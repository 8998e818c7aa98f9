"""One run from recipe to report: the config, the run folder, and the stages."""

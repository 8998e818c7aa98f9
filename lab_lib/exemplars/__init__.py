"""What do people say when they mean a function? Labelled utterances, their templates, and where they come from."""

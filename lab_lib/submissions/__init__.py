"""Results by pull request: one file a row, scored again from its predictions, tables made from the files."""

"""Results by pull request: one file per row, scored again from its predictions, tables made from the files."""

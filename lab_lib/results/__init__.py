"""Results of a run: the table, the training curve and the HTML report."""

"""Results of a run: its record, the table, the training curve and the HTML report."""

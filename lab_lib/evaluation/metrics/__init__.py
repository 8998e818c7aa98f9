"""The scorers as metrics of Hugging Face `evaluate`: `evaluate.load(lab_lib.metric_path("mwz"))`, also offline.

One script per metric. `evaluate` copies a script into its own cache and reads its imports from the text, so each
import statement is one line, and nothing here imports a neighbour.
"""

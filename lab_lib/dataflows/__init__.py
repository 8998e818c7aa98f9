"""Fine-tuning as a graph: named steps with declared inputs, cached by content, so that only changed steps run again.

seq2seq.py is the graph, read from top to bottom; its nodes call the same steps as `lab run`. Between nodes travel
artefacts (a path, a hash, numbers), never a model. Needs the package apache-hamilton.
"""

"""A trained model for others: as a GGUF file for llama.cpp and Ollama, or as a repository of the hub with its card.

gguf_write.py: the file; modelfile.py: how Ollama builds prompts; export.py: both, out of a run; card.py: the model
card out of the record; push.py: to the hub.
"""

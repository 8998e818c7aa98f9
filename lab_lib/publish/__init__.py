"""Publish a trained model: as a GGUF file for llama.cpp and Ollama, or as a hub repository with a model card.

gguf_write.py writes the file; modelfile.py writes Ollama's prompt template; export.py does both for a run; card.py
makes the model card from the record; push.py uploads to the hub.
"""

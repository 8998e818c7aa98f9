"""Conversations in files of one's own: messages, prompt and completion, instructions, ShareGPT, or two keys by name.

types.py: what a conversation is; layouts.py: from a record in one of the layouts to a conversation; read.py: files,
folders and data sets of the hub; split.py: train, dev and test out of one file, with no near copy in two of them.
"""

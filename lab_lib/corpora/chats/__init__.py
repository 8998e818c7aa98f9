"""Your own conversations in files: messages, prompt and completion, instructions, ShareGPT, or two named keys.

types.py: the types; layouts.py: converts a record in one of the layouts to a conversation; read.py: files, folders and
data sets of the hub; split.py: splits one file into train, dev and test without near copies across splits.
"""

"""Prompts: messages -> text -> token ids and loss mask, in one place for every lab."""

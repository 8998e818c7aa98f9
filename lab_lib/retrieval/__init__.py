"""What is like it? Keyword and embedding indexes of exemplars and functions, their fusion, and how much they find."""

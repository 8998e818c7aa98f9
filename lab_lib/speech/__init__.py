"""What was said? Audio to text offline, spoken examples, how wrong a recogniser is, and its errors without audio."""

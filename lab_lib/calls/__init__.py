"""Function calls: function descriptions, and parsing calls in model output without executing anything."""

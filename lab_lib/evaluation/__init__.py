"""How good is it? Scorers equal to the official ones, with their uncertainty."""

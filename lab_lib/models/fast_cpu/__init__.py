"""What makes a laptop without GPU fast enough: each file says what it is for and what it gains."""

"""What can this machine do? Check-up, speed, profile, largest batch."""

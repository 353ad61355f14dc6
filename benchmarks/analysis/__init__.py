"""What the records say, as data frames: no text, no torch."""

"""What a run leaves behind: records, their provenance, and joining them."""

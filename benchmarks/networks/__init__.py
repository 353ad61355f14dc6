"""The networks that the suite explains."""

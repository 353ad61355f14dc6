"""Running a plan: every case through every method and metric, kept cell by cell."""

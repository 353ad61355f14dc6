"""The ``scenes`` dataset: read, drawn, and its networks trained."""

"""The command ``mint explain`` and what it takes to load a classifier for it."""

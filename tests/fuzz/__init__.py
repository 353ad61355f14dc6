"""Harnesses of every reader of files and options: `HARNESSES` by name."""

from fuzz import annotations, archives, cells, options, pictures, records, weights

MODULES = (pictures, annotations, weights, records, cells, archives, options)
HARNESSES = {harness.name: harness for module in MODULES for harness in module.HARNESSES}

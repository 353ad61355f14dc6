"""The harness: what is measured on what, and the records it leaves. Run ``python -m benchmarks``."""

"""The page of a report: one HTML file that opens from disk and asks nothing of the network."""

from benchmarks.page.build import Block, write_page

__all__ = ["Block", "write_page"]

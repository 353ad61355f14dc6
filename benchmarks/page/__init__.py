"""The page of a report: one HTML file that opens from disk and asks nothing of the network."""

from benchmarks.page.build import Block, write_page
from benchmarks.page.plain import write_pages

__all__ = ["Block", "write_page", "write_pages"]

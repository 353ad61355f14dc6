"""The page of a report: one HTML file that opens from disk and asks nothing of the network."""

from benchmarks.report.page.build import Block, write_page
from benchmarks.report.page.plain import write_pages

__all__ = ["Block", "write_page", "write_pages"]

"""The pages of a report: README.md, and one HTML file that opens from disk and asks nothing of the network."""

from benchmarks.report.page.build import fresh, write_pages
from benchmarks.report.page.markdown import Block, Folded, Picture, conclusions, write_markdown

__all__ = ["Block", "Folded", "Picture", "conclusions", "fresh", "write_markdown", "write_pages"]

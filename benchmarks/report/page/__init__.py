"""The pages of a report: README.md, and one HTML file that opens from disk and asks nothing of the network."""

from benchmarks.report.page.build import cost_section, fresh, origin, write_pages
from benchmarks.report.page.markdown import Block, Picture, write_markdown

__all__ = ["Block", "Picture", "cost_section", "fresh", "origin", "write_markdown", "write_pages"]

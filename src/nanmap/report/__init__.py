"""A run as one HTML file to explore: offline, without a framework. Draws on `plot` for words and colours."""

from nanmap.report.page import checked, page, write_page
from nanmap.report.said import Part
from nanmap.report.serve import Served

__all__ = ["Part", "Served", "checked", "page", "write_page"]

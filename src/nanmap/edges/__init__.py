"""The critical learning rate along every other axis of a sweep, measured by trainings and set beside its predictions.

`search` narrows brackets and knows no training; `rows` says which edges there are; `probe` trains and decides what is
stable; `table` holds the columns; `folder` writes them.
"""

from nanmap.edges.folder import edges_to_folder

__all__ = ["edges_to_folder"]

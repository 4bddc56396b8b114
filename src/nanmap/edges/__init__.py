"""The critical learning rate along every other axis of a sweep, measured by trainings and set beside its predictions.

`bisection` narrows brackets and knows no training; `rows` says which edges there are; `probe` trains and decides what is
stable; `facts` gathers what is known of a row, `quantiles` what is known of its seeds; `table` holds the columns; `find` writes them.
"""

from nanmap.edges.find import find_edges

__all__ = ["find_edges"]

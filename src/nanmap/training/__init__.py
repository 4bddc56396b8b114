"""The training of one cell, as pure functions. Knows no lanes; `engine` runs it for many cells at once."""

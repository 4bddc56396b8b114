"""One alias for what flows through a training."""

from typing import Any

# A jax.Array inside a program, a NumPy array on the host around it, a shape when a program is compiled ahead of any
# data: the same tuples hold all three, so no single class names them.
Array = Any

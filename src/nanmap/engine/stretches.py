"""Updates in stretches: nothing is looked at while they are made, and once they are, whether anything happened.

To look for infinities and NaN, and to keep what has ended as it was, takes longer than an update of a few numbers. What
happens leaves a trace (`training.state.Trace`). Where there is one, the group is put back to the start of the stretch and
goes on in shorter ones, in the end update by update, so that each event gets its step. All stretches run the same
compiled updates, so their length touches no bit.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nanmap.models.base import Array
from nanmap.training.state import State

LONGEST = 64  # where everything dies early, stretches of a fixed length lost 15 %; these start with 1 and double


class Walk(NamedTuple):
    """How a group is advanced.

    Attributes:
        advance: `(state, trace, step) -> (state, trace)`, one update of every lane.
        look: `(before, after, trace, step, count) -> (state, news)`: what is left of `count` updates, and whether an event is new.
        no_trace: of no update, of every lane.
        going: whether a lane still trains.
    """

    advance: Callable[[State, Any, Array], tuple[State, Any]]
    look: Callable[[State, State, Any, Array, Array], tuple[State, Array]]
    no_trace: Any
    going: Callable[[State], Array]


def in_stretches(walk: Walk, first: Array, last: Array, length: Array, state: State) -> tuple[Array, State]:
    """Makes the updates from `first` on, before `last`; or fewer, once no lane trains any more.

    Args:
        length: of the stretch to begin with.

    Returns:
        The length to go on with, and the state.
    """

    def stretch(carry: tuple[Array, Array, State]) -> tuple[Array, Array, State]:
        step, length, before = carry
        count = jnp.minimum(length, last - step)
        made, trace = jax.lax.fori_loop(
            step, step + count, lambda step, made: walk.advance(made[0], made[1], step), (before, walk.no_trace)
        )
        after, news = walk.look(before, made, trace, step, count)
        again = news & (count > 1)
        state = jax.tree.map(lambda old, new: jnp.where(again, old, new), before, after)
        longer = jnp.minimum(2 * length, LONGEST)
        return jnp.where(again, step, step + count), jnp.where(news, jnp.maximum(count // 2, 1), longer), state

    def unfinished(carry: tuple[Array, Array, State]) -> Array:
        step, _, state = carry
        return (step < last) & walk.going(state)

    _, length, state = jax.lax.while_loop(unfinished, stretch, (first, length, state))
    return length, state

"""The oracle of networks of the user's own: a training as anybody would write it with JAX and optax, who has not heard of nanmap."""

import ast
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import nanmap
from nanmap.training.order import epoch_order, order_key

DOCS = Path(__file__).parents[1] / "docs"
SMALLER = {"1, 33)": "1, 2)", "[16, 64, 256]": "[16, 64]"}  # of the maps in the documents


def plain_loop(
    parameters: Any,
    loss: Callable[..., Any],
    rule: optax.GradientTransformation,
    x: np.ndarray,
    y: np.ndarray,
    *,
    state: Any = None,
    seed: int = 0,
    batch: int = 8,
    epochs: int = 3,
) -> tuple[Any, Any, list[float]]:
    """Parameters and state at the end of a training, and its batches' losses, as anybody would write it.

    `loss(parameters, state, x, y, key)` gives the loss and the state after it. Parameters that are no floats stay.
    """
    floats = jax.tree.map(lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating), parameters)
    rule = optax.masked(rule, floats)

    @jax.jit
    def step(parameters: Any, state: Any, memory: Any, x: Any, y: Any, key: Any) -> Any:
        taken = jax.value_and_grad(loss, has_aux=True, allow_int=True)
        (value, state), gradient = taken(parameters, state, x, y, key)
        gradient = jax.tree.map(lambda g, p, own: g if own else jnp.zeros_like(p), gradient, parameters, floats)
        updates, memory = rule.update(gradient, memory, parameters)
        return optax.apply_updates(parameters, updates), state, memory, value

    memory, losses, made = rule.init(parameters), [], 0
    for epoch in range(epochs):
        order = np.asarray(epoch_order(order_key(seed), epoch, len(x), len(x)))
        for first in range(0, len(x), batch):
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 0xFFFFFFFF), made)
            rows = order[first : first + batch]
            parameters, state, memory, value = step(parameters, state, memory, x[rows], y[rows], key)
            losses.append(float(value))
            made += 1
    return parameters, state, losses


def close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def notebook_cell(page: str, word: str, smaller: Mapping[str, str], **given: Any) -> nanmap.Result:
    """What a notebook would show after a program of a page, the one that has a word in it, on rows of one's own.

    Args:
        page: in `docs`.
        word: of the program.
        smaller: what stands there, and what is taken in its place.
        given: what the reader has.
    """
    blocks = (DOCS / page).read_text().split("```python\n")[1:]
    text = next(each for each in (block.partition("```")[0] for block in blocks) if word in each)
    for written, taken in smaller.items():
        assert written in text, written
        text = text.replace(written, taken)
    *lines, last = ast.parse(text).body
    assert isinstance(last, ast.Expr)
    names = given | {"__name__": "__main__"}
    exec(compile(ast.Module(lines, []), page, "exec"), names)
    return eval(compile(ast.Expression(last.value), page, "eval"), names)


def assert_maps(result: nanmap.Result, rates: int, batches: int) -> None:
    """It shows a map of learning rate and batch size, all of whose cells were trained."""
    rows = result.to_pandas()
    assert (rows.learning_rate.nunique(), rows.batch_size.nunique(), len(rows)) == (rates, batches, rates * batches)
    assert rows.loss_initial.notna().all()
    assert "data:image/png" in result._repr_html_()


def assert_example_trains(name: str, folder: Path, command: Callable[..., Any]) -> None:
    """A shipped sweep over a network of a framework, copied out and trained at a small size."""
    copied = command("examples", f"own/{name}", "--out", ".", cwd=folder)
    assert copied.stdout.splitlines()[-1] == f"next: nanmap sweep sweeps/own/{name}.toml --allow-python"
    small = [
        "axes.batch_size.values=[64]",
        "axes.learning_rate.values=[0.1]",
        "axes.seed.range=[0,1]",
        "training.steps=150",
    ]
    settings = [word for each in small for word in ("--set", each)]
    done = command("sweep", f"sweeps/own/{name}.toml", "--allow-python", "--no-maps", *settings, cwd=folder)
    assert done.returncode == 0, done.stderr
    (row,) = nanmap.Result(folder / "results" / name).to_pandas().itertuples()
    assert row.val_accuracy > 0.8

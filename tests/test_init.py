"""Initial parameters: bounds, variances and streams of every initialiser, as Keras and PyTorch document them."""

import hashlib
import os
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from nanmap.config import build_config
from nanmap.config.choices import BiasInitKind, InitKind, names
from nanmap.config.initialisers import INITIALISERS, Family
from nanmap.config.settings import ModelSettings
from nanmap.errors import InputError
from nanmap.models.draw import FAMILIES, TRUNCATION, draw
from nanmap.models.mlp import MLP
from nanmap.plan import make_variant
from nanmap.training.start import start
from oracles import flat, random_layers

IN, OUT = 200, 300
TRUNCATED = ("glorot_normal", "he_normal", "lecun_normal")
# Standard deviation, and the bound no draw may cross (None = unbounded).
EXPECTED = {
    "normal": (1.0, None),
    "uniform": (3**-0.5, 1.0),
    "glorot_uniform": ((2 / (IN + OUT)) ** 0.5, (6 / (IN + OUT)) ** 0.5),
    "glorot_normal": ((2 / (IN + OUT)) ** 0.5, 2 * (2 / (IN + OUT)) ** 0.5 / 0.8796),
    "he_uniform": ((2 / IN) ** 0.5, (6 / IN) ** 0.5),
    "he_normal": ((2 / IN) ** 0.5, 2 * (2 / IN) ** 0.5 / 0.8796),
    "lecun_uniform": ((1 / IN) ** 0.5, (3 / IN) ** 0.5),
    "lecun_normal": ((1 / IN) ** 0.5, 2 * (1 / IN) ** 0.5 / 0.8796),
    "torch_linear": ((1 / (3 * IN)) ** 0.5, IN**-0.5),
    "orthogonal": (OUT**-0.5, 1.0),
}


def layers_of(
    init: str, seed: int = 0, hidden: tuple[int, ...] = (OUT,), dtype: str = "float32", **model: Any
) -> list[dict[str, np.ndarray]]:
    config = build_config(
        {
            "data": {"kind": "gaussian", "n": 4, "features": IN},
            "model": {"init": init, "hidden": list(hidden)} | model,
            "training": {"steps": 1, "dtype": dtype},
        }
    )
    parameters, state = make_variant(config).program.model.draw(config.model, np.array([seed]))
    return [one({**trained, **running}) for trained, running in zip(parameters, state, strict=True)]


def one(layer: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a layer holds of the first seed."""
    return {name: values[0] for name, values in layer.items()}


def test_every_drawn_initialiser_stands_in_the_table() -> None:
    assert set(EXPECTED) | {"zeros", "ones", "file"} == set(names(InitKind))


def test_every_family_of_an_entry_is_drawn_and_may_be_named() -> None:
    assert set(FAMILIES) | {"file"} == set(get_args(Family)) == {entry.family for entry in INITIALISERS.values()}
    assert names(BiasInitKind) == ("zeros", "ones", "normal", "uniform", "torch_linear")


# The first bytes of SHA-256 over the draws of a 3 × 3, a 64 × 32 and a 7 × 1 kernel: runs resume with the same start.
DRAWN = {
    "normal": "d3a84ae3",
    "uniform": "f740c213",
    "glorot_uniform": "635a22ca",
    "glorot_normal": "efa635fb",
    "he_uniform": "710e99d3",
    "he_normal": "7612492f",
    "lecun_normal": "6152f187",
    "lecun_uniform": "bd9a2f2e",
    "torch_linear": "08935b69",
}


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (30, 41)])
def test_numbers_beyond_the_cut_are_replaced_by_those_that_follow_in_their_seeds_own_order(
    shape: tuple[int, int],
) -> None:
    seeds = np.arange(3000 if shape[0] < 30 else 40)

    def by_hand(seed: int) -> np.ndarray:
        rng = np.random.Generator(np.random.Philox(key=[seed, 5]))
        values = rng.standard_normal(shape, np.float32)
        while (outside := np.abs(values) > 2).any():
            values[outside] = rng.standard_normal(outside.sum(), np.float32)
        return values

    drawn = draw("lecun_normal", shape, seeds, 5)
    factor = np.float32(np.sqrt(1 / shape[0]) / TRUNCATION)
    np.testing.assert_array_equal(drawn, factor * np.stack([by_hand(seed) for seed in seeds]))


@pytest.mark.parametrize("init", DRAWN)
def test_draws_are_the_same_in_every_release(init: str) -> None:
    digest = hashlib.sha256()
    for shape in ((3, 3), (64, 32), (7, 1)):
        digest.update(draw(init, shape, np.array([2**40]), 3).tobytes())
    assert digest.hexdigest()[:8] == DRAWN[init]


@pytest.mark.parametrize("init", [init for init in INITIALISERS if init != "file"])
def test_a_seed_changes_what_an_entry_calls_random(init: str) -> None:
    one, two = draw(init, (3, 4), np.arange(2), 0)
    assert (one.tobytes() != two.tobytes()) == INITIALISERS[init].random
    assert one.dtype == np.float32


@pytest.mark.parametrize("init", EXPECTED)
def test_draws_have_the_documented_spread_and_bound(init: str) -> None:
    kernel = layers_of(init)[0]["kernel"].astype(np.float64)
    spread, bound = EXPECTED[init]
    assert kernel.shape == (IN, OUT)
    assert abs(kernel.mean()) < 4 * spread / kernel.size**0.5
    assert kernel.std() == pytest.approx(spread, rel=0.01)  # 60,000 draws: standard error 0.3 %
    if bound is not None:
        assert np.abs(kernel).max() <= bound * (1 + 1e-4)
        if init != "orthogonal":
            assert np.abs(kernel).max() > 0.98 * bound


@pytest.mark.parametrize("init", TRUNCATED)
def test_truncated_normals_are_cut_not_clipped(init: str) -> None:
    kernel = np.abs(layers_of(init)[0]["kernel"]) / EXPECTED[init][1]
    assert len(np.unique(kernel[kernel > 0.97])) > 0.9 * (kernel > 0.97).sum()
    inner = (kernel < 0.25).mean()  # half a standard deviation of a normal cut at two
    assert inner == pytest.approx(0.3829 / 0.9545, abs=0.01)


@pytest.mark.parametrize(("init", "value"), [("zeros", 0.0), ("ones", 1.0)])
def test_constants(init: str, value: float) -> None:
    assert all((layer["kernel"] == value).all() and (layer["bias"] == 0).all() for layer in layers_of(init))


@pytest.mark.parametrize("shape", [(IN, 50), (IN, 250), (IN, IN)])
def test_orthogonal_kernels_keep_lengths(shape: tuple[int, int]) -> None:
    kernel = layers_of("orthogonal", hidden=(shape[1],))[0]["kernel"].astype(np.float64)
    small = kernel.T @ kernel if shape[0] >= shape[1] else kernel @ kernel.T
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3), (1, 1), (40, 9)])
@pytest.mark.parametrize("init", DRAWN | {"orthogonal": ""})
def test_a_seed_among_others_draws_what_a_generator_of_its_own_draws(init: str, shape: tuple[int, int]) -> None:
    seeds = np.array([2**50 + 1, 0, 7, 2**63 - 1])
    together = draw(init, shape, seeds, 5)
    assert together.tobytes() == b"".join(draw(init, shape, seeds[[index]], 5).tobytes() for index in range(4))
    rng = np.random.Generator(np.random.Philox(key=[seeds[2], 5]))
    values = {
        "normal": lambda: rng.standard_normal(shape, np.float32),
        "uniform": lambda: 2 * rng.random(shape, np.float32) - 1,
    }
    if init in values:
        assert together[2].tobytes() == values[init]().tobytes()


def test_orthogonal_kernels_favour_no_sign() -> None:
    """The draw is uniform: a matrix is as likely with any of its columns turned around. A QR factorisation alone is not."""
    drawn = draw("orthogonal", (3, 3), np.arange(400), 0)
    share = (drawn > 0).mean(axis=0)
    assert np.abs(share - 0.5).max() < 0.1  # four standard errors


@pytest.mark.parametrize("init", EXPECTED)
def test_a_seed_fixes_the_draw_and_another_changes_it(init: str) -> None:
    same, again, other = (layers_of(init, seed, hidden=(5,))[0]["kernel"] for seed in (3, 3, 4))
    assert same.tobytes() == again.tobytes()
    assert not np.isclose(same, other).any(axis=0).all()


@pytest.mark.parametrize("seed", [0, 2**32, 2**63 - 1])
def test_layers_draw_from_streams_of_their_own(seed: int) -> None:
    deep = layers_of("normal", seed, hidden=(IN, IN), bias_init="normal")
    wide = layers_of("normal", seed, hidden=(IN, 3), bias_init="normal")
    assert deep[0]["kernel"].tobytes() == wide[0]["kernel"].tobytes()
    assert deep[0]["bias"].tobytes() == wide[0]["bias"].tobytes()
    first, second = deep[0]["kernel"].ravel(), deep[1]["kernel"].ravel()
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    assert deep[0]["bias"].tobytes() != deep[1]["bias"].tobytes()
    assert not np.isin(deep[0]["bias"], first).any()
    assert not np.isin(deep[0]["bias"], second).any()


def test_seeds_that_agree_in_their_low_bits_differ() -> None:
    assert layers_of("normal", 1)[0]["kernel"].tobytes() != layers_of("normal", 1 + 2**32)[0]["kernel"].tobytes()


def test_draws_do_not_depend_on_the_bias_or_the_norm() -> None:
    kernels = [layers_of("he_normal", 1, **model)[1]["kernel"] for model in ({}, {"bias": False}, {"norm": "layer"})]
    assert kernels[0].tobytes() == kernels[1].tobytes() == kernels[2].tobytes()


@pytest.mark.parametrize("init", ["glorot_uniform", "he_normal", "orthogonal"])
def test_float64_trainings_start_from_the_float32_draws(init: str, train) -> None:
    def start(dtype: str) -> dict[str, np.ndarray]:
        tree = {
            "data": {"kind": "gaussian", "n": 8, "features": 2},
            "model": {"init": init, "hidden": [3]},
            "optimizer": {"learning_rate": 0.0},
            "training": {"steps": 1, "dtype": dtype},
        }
        return train(tree).params

    narrow, wide = start("float32"), start("float64")
    for name, values in narrow.items():
        assert values.dtype == np.float32
        assert wide[name].dtype == np.float64
        assert values.astype(np.float64).tobytes() == wide[name].tobytes()


def test_torch_linear_draws_biases_in_the_bounds_of_the_fan_in() -> None:
    bias = layers_of("torch_linear")[0]["bias"]
    assert 0.9 * IN**-0.5 < np.abs(bias).max() <= IN**-0.5 * (1 + 1e-6)
    assert (layers_of("torch_linear", bias_init="zeros")[0]["bias"] == 0).all()


def file_tree(path: str, **model: Any) -> dict[str, Any]:
    return {
        "data": {"kind": "gaussian", "n": 8, "features": 2},
        "model": {"init": "file", "init_file": path, "hidden": [3], "activation": "tanh"} | model,
        "optimizer": {"learning_rate": 0.0},
        "training": {"steps": 1, "dtype": "float64"},
    }


def test_a_file_gives_the_start_in_full_precision(npz, train) -> None:
    layers = random_layers([2, 3, 1], seed=8)
    params = train(file_tree(npz(**flat(layers)))).params
    for name, values in flat(layers).items():
        assert params[name].tobytes() == values.tobytes()


def test_scale_multiplies_kernels_and_offset_shifts_the_first(npz, train) -> None:
    layers = random_layers([2, 3, 1], seed=8)
    params = train(file_tree(npz(**flat(layers)), init_scale=-3.0, init_offset=0.5)).params
    np.testing.assert_array_equal(params["layers.0.kernel"], layers[0]["kernel"] * -3.0 + 0.5)
    np.testing.assert_array_equal(params["layers.1.kernel"], layers[1]["kernel"] * -3.0)
    np.testing.assert_array_equal(params["layers.0.bias"], layers[0]["bias"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda arrays: arrays.pop("layers.1.kernel"), "layers.1.kernel"),
        (lambda arrays: arrays.update({"layers.0.kernel": np.ones((3, 2))}), r"\(3, 2\).*\(2, 3\)"),
        (lambda arrays: arrays.update({"layers.2.kernel": np.ones((1, 1))}), "layers.2.kernel"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(change, said: str, npz, train) -> None:
    arrays = flat(random_layers([2, 3, 1], seed=8))
    change(arrays)
    with pytest.raises(InputError, match=said):
        train(file_tree(npz(**arrays)))


def test_a_missing_or_broken_file_is_refused(tmp_path, train) -> None:
    with pytest.raises(InputError, match="no such file"):
        train(file_tree(str(tmp_path / "none.npz")))
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InputError, match="npz"):
        train(file_tree(str(tmp_path / "text.npz")))


def test_a_file_that_does_not_fit_is_told_with_what_it_holds_and_what_it_may_hold(npz, tmp_path: Path, train) -> None:
    def refused(path: str) -> InputError:
        with pytest.raises(InputError) as error:
            train(file_tree(path))
        return error.value

    arrays = flat(random_layers([2, 3, 1], seed=8))
    lacks = refused(path := npz(**{name: values for name, values in arrays.items() if name != "layers.1.kernel"}))
    assert str(lacks.file) == path
    assert list(lacks.allowed) == ["layers.0.bias", "layers.0.kernel", "layers.1.bias"]
    shape = refused(npz(**arrays | {"layers.1.bias": np.ones(3)}))
    assert "`layers.1.bias` has shape (3,), this model needs (1,)" in str(shape)
    more = refused(npz(**arrays, other=np.ones(1), **{"layers.0.scale": np.ones(3)}))
    assert "no place for: layers.0.scale, other" in str(more)
    assert list(more.allowed) == ["layers.0.bias", "layers.0.kernel", "layers.1.bias", "layers.1.kernel"]
    missing = refused(path := str(tmp_path / "none.npz"))
    assert (missing.key, missing.value) == ("model.init_file", path)
    for name, content in (("text.npz", b"no archive"), ("empty.npz", b"")):
        (tmp_path / name).write_bytes(content)
        broken = refused(path := str(tmp_path / name))
        assert (broken.key, str(broken.file)) == ("model.init_file", path)
    np.savez(tmp_path / "objects.npz", **arrays | {"layers.0.kernel": np.array([[1, None]], object)})
    assert "is no readable npz file" in str(refused(str(tmp_path / "objects.npz")))  # pickles are never run


def drawn(path: str) -> list[dict[str, np.ndarray]]:
    settings = ModelSettings(init="file", init_file=path, hidden=(3,))
    (parameters, _) = MLP.of(settings, 2, 1).draw(settings, np.array([0]))
    return list(map(one, parameters))


def test_a_file_that_was_changed_is_read_anew(tmp_path: Path) -> None:
    path, layers = tmp_path / "start.npz", random_layers([2, 3, 1], seed=8)
    for stamp, factor in enumerate((1.0, 2.0), 1):
        np.savez(path, **{name: factor * values for name, values in flat(layers).items()})
        os.utime(path, ns=(stamp, stamp))
        assert drawn(str(path))[0]["kernel"].tobytes() == (factor * layers[0]["kernel"]).tobytes()


ALIKE: dict[str, dict[str, list[float]]] = {  # what the second of two cells has otherwise than the first
    "a scale": {"init_scale": [1.0, 2.0]},
    "an offset": {"init_offset": [0.0, 0.5]},
    "a small offset": {"init_offset": [0.25, 0.75]},
    "the sign of a zero": {"init_scale": [-0.0, -0.0], "init_offset": [0.0, -0.0]},
    "a seed": {"seed": [3, 4]},
    "an initialiser": {"which": [0, 1]},
    "a seed and an initialiser": {"seed": [4, 3], "which": [0, 1]},
}


@pytest.mark.parametrize("case", ALIKE)
def test_cells_that_start_side_by_side_start_as_each_does_alone(case: str) -> None:
    settings = [ModelSettings(init=init) for init in ("normal", "uniform")]
    if "zero" in case:
        settings = [ModelSettings(init="ones")] * 2
    given = {"which": [0, 0], "seed": [3, 3], "init_scale": [1.0, 1.0], "init_offset": [0.0, 0.0]} | ALIKE[case]
    which, seeds, *numbers = (np.array(values) for values in given.values())
    named = dict(zip(("init_scale", "init_offset"), numbers, strict=True))

    def kernels(cells: list[int]) -> np.ndarray:
        of = {name: values[cells] for name, values in named.items()}
        return start(MLP(1, 1), settings, which[cells], seeds[cells], of, "float32")[0][0]["kernel"]

    together, alone = kernels([0, 1, 0]), [kernels([0])[0], kernels([1])[0]]
    assert [each.tobytes() for each in together] == [alone[cell].tobytes() for cell in (0, 1, 0)]
    assert alone[0].tobytes() != alone[1].tobytes()

"""Writes the gallery: trainings with one known fault each, and healthy ones; their rows, and the table of what is wrong.

python configs/gallery/make_gallery.py     writes *.toml, data/*.csv and cases.json beside this file, the same every time

Each case is a sound training with one thing broken. `SOUND` says what it was before.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nanmap.listings import config_text

FOLDER = Path(__file__).parent
HEALTHY = "nothing_wrong"
Tables = dict[str, dict[str, Any]]


class Case(NamedTuple):
    """A training.

    Attributes:
        cause: what is wrong with it, as `diagnosis.root_causes` calls it.
        told: the fault, in a sentence.
        base: the sound training that it is made of, a name in `SOUND`.
        broken: the settings that break it, by key; None takes one out.
    """

    cause: str
    told: str
    base: str
    broken: Mapping[str, Any]


def csv(name: str, target: str) -> dict[str, Any]:
    """The `[data]` of one of the tables below."""
    return {"kind": "csv", "path": f"data/{name}.csv", "target": target}


SGD = {"kind": "sgd", "learning_rate": 0.05}
SOUND: dict[str, Tables] = {
    # a linear model, all rows at once
    "line": {
        "data": csv("springs", "length"),
        "optimizer": {"kind": "sgd", "learning_rate": 0.1},
        "training": {"batch_size": 96, "epochs": 200},
    },
    # a small network on rows of one size
    "network": {
        "data": csv("springs", "energy"),
        "model": {"hidden": [16], "activation": "tanh"},
        "optimizer": SGD,
        "training": {"batch_size": 16, "epochs": 200},
    },
    "relu": {
        "data": csv("springs", "energy"),
        "model": {"hidden": [32], "activation": "relu", "init": "he_uniform"},
        "optimizer": SGD,
        "training": {"batch_size": 16, "epochs": 200},
    },
    "deep": {
        "data": csv("springs", "length"),
        "model": {"hidden": [16] * 8, "activation": "tanh", "init": "glorot_uniform"},
        "optimizer": {"kind": "sgd", "learning_rate": 0.02},
        "training": {"batch_size": 16, "epochs": 200},
    },
    "deep_relu": {
        "data": csv("springs", "length"),
        "model": {"hidden": [16] * 8, "activation": "relu", "init": "he_uniform"},
        "optimizer": {"kind": "sgd", "learning_rate": 0.01},
        "training": {"batch_size": 16, "epochs": 120},
    },
    "ramp": {
        "data": {"kind": "line", "start": 1, "step": 0.2, "n": 20, "slope": 5},
        "model": {"hidden": [16], "activation": "relu", "init": "he_uniform"},
        "optimizer": {"kind": "sgd", "learning_rate": 0.002},
        "training": {"batch_size": 32, "epochs": 300},
    },
    # a table as one finds it: columns of any size
    "flats": {
        "data": csv("flats", "rent") | {"scale_inputs": "standard", "scale_targets": "standard"},
        "model": {"hidden": [16], "activation": "relu"},
        "optimizer": SGD,
        "training": {"batch_size": 16, "epochs": 60},
    },
    "rents": {  # the same, by a line
        "data": csv("flats", "rent") | {"scale_inputs": "standard", "scale_targets": "standard"},
        "optimizer": SGD,
        "training": {"batch_size": 120, "epochs": 200},
    },
    "shops": {
        "data": csv("shops", "sales") | {"categorical": "onehot"},
        "model": {"hidden": [8], "activation": "tanh"},
        "optimizer": {"kind": "adam", "learning_rate": 0.02},
        "training": {"batch_size": 32, "epochs": 60},
    },
    "flowers": {
        "data": csv("flowers", "kind") | {"target_kind": "class", "scale_inputs": "standard"},
        "model": {"hidden": [16], "activation": "relu"},
        "loss": {"kind": "softmax_cross_entropy"},
        "optimizer": {"kind": "sgd", "learning_rate": 0.2},
        "training": {"batch_size": 16, "epochs": 60},
    },
    "places": {
        "data": csv("places", "place") | {"target_kind": "class"},
        "model": {"hidden": [8], "activation": "relu"},
        "loss": {"kind": "softmax_cross_entropy"},
        "optimizer": {"kind": "sgd", "learning_rate": 0.2},
        "training": {"batch_size": 16, "epochs": 100},
    },
    "switch": {  # two classes
        "data": csv("switch", "on") | {"target_kind": "class"},
        "model": {"hidden": [8], "activation": "tanh"},
        "loss": {"kind": "sigmoid_cross_entropy"},
        "optimizer": {"kind": "sgd", "learning_rate": 0.5},
        "training": {"batch_size": 16, "epochs": 60},
    },
}
JAX, FLAX, KERAS, TORCH = (f"python:{name}_networks.py" for name in ("jax", "flax", "keras", "torch"))

CASES: dict[str, Case] = {
    "gaps": Case(
        "nan_in_data", "a sensor was off for some rows, and its gaps are trained on as NaN",
        "network", {"data.path": "data/gaps.csv", "data.missing": "keep"},
    ),
    "gaps_in_target": Case(
        "nan_in_data", "some rows have no target, and are trained on as NaN",
        "line", {"data.path": "data/gaps_in_target.csv", "data.missing": "keep"},
    ),
    "beyond_float32": Case(
        "infinity_in_data", "one column holds numbers of 10³⁹, which float32 has not",
        "line", {"data.path": "data/molecules.csv"},
    ),
    "codes": Case(
        "codes_for_categories", "24 shops are numbered, as if the 20th were ten times the 2nd",
        "shops", {"data.categorical": "codes"},
    ),
    "relu_output": Case(
        "target_out_of_reach", "half of the targets are negative, and a ReLU is behind the output",
        "network", {"model.output_activation": "relu"},
    ),
    "sigmoid_output": Case(
        "target_out_of_reach", "targets go from 0 to 40, and a sigmoid ends at 1",
        "network", {"data.target": "degrees", "model.output_activation": "sigmoid"},
    ),
    "raw_inputs": Case(
        "unscaled_inputs", "one column is in square metres, another counts rooms, and nothing scales them",
        "rents", {"data.scale_inputs": "none"},
    ),
    "faint_column": Case(
        "unscaled_inputs", "a column in kilometres varies by a hundredth of what the others do, so it is hardly learned",
        "line", {"data.path": "data/faint.csv", "training.epochs": 300},
    ),
    "raw_targets": Case(
        "unscaled_targets", "rents are in cents: the first error is a hundred thousand",
        "flats", {"data.scale_targets": "none"},
    ),
    "raw_pixels": Case(
        "unscaled_inputs", "flowers are measured in tenths of millimetres, and classified as they are",
        "flowers", {"data.scale_inputs": "none"},
    ),
    "zero_start": Case(
        "dead_at_init", "every kernel starts at 0, so every ReLU is flat on every row",
        "relu", {"model.init": "zeros"},
    ),
    "killed": Case(
        "killed_by_first_steps",
        "inputs that are all positive, and first steps that take every ReLU below 0 at once",
        "ramp",
        {"optimizer.learning_rate": 0.03},
    ),
    "above_the_edge": Case(
        "rate_above_edge", "a rate of 1.5 where 2/λmax is below 1",
        "line", {"optimizer.learning_rate": 1.5},
    ),
    "adam_too_fast": Case(
        "rate_above_edge", "Adam at a rate of 3",
        "network", {"optimizer.kind": "adam", "optimizer.learning_rate": 3.0},
    ),
    "float16": Case(
        "number_format", "in float16 the gradient of the first step is beyond 65,504",
        "line", {"data.path": "data/weights.csv", "optimizer.learning_rate": 1e-5, "training.dtype": "float16"},
    ),
    "deep_and_large": Case(
        "exploding_gradient",
        "eight ReLU layers, each of which makes its input twice as large",
        "deep_relu",
        {"model.init_scale": 2.0},
    ),
    "deep_and_small": Case(
        "vanishing_gradient", "eight sigmoid layers, each of which lets a quarter of the gradient through, if that",
        "deep", {"model.activation": "sigmoid"},
    ),
    "single_rows": Case(
        "batch_noise", "batches of one row at a rate that all rows together would bear",
        "line", {"data.path": "data/wide.csv", "training.batch_size": 1, "training.epochs": 20, "optimizer.learning_rate": 0.3},
    ),
    "momentum": Case(
        "momentum_beyond_bound", "a momentum of 1.05: each step is larger than the last one",
        "line", {"optimizer.momentum": 1.05, "optimizer.learning_rate": 0.01},
    ),
    "decay": Case(
        "momentum_beyond_bound", "a weight decay of 60 at a rate of 0.05 takes the weights beyond their negative",
        "network", {"optimizer.kind": "adamw", "optimizer.weight_decay": 60.0},
    ),
    "wrong_sign": Case(
        "wrong_sign", "the gradient is added instead of subtracted",
        "network", {"optimizer.learning_rate": -0.05},
    ),
    "labels_as_numbers": Case(
        "loss_does_not_fit",
        "which of twelve places a ball fell into, 0 to 11 in no order, is fitted as a number",
        "places",
        {"data.target_kind": "number", "loss.kind": "mse", "optimizer.learning_rate": 0.02},
    ),
    "numbers_as_labels": Case(
        "loss_does_not_fit", "an energy in steps of a tenth is taken for a class: one of forty",
        "network", {"data.path": "data/levels.csv", "data.target_kind": "class", "loss.kind": "softmax_cross_entropy"},
    ),
    "second_sigmoid": Case(
        "loss_does_not_fit", "the network ends in a sigmoid, and the loss takes another one of it (plain JAX)",
        "switch", {"model.kind": f"{JAX}:with_sigmoid", "model.hidden": None, "model.activation": None},
    ),
    "softmax_mse": Case(
        "loss_does_not_fit", "the network ends in a softmax, and the loss is a squared one on a number (Flax)",
        "network", {"model.kind": f"{FLAX}:with_softmax", "model.hidden": None, "model.activation": None},
    ),
    "second_softmax": Case(
        "loss_does_not_fit", "the network ends in a softmax, and the loss takes another one of it (PyTorch)",
        "flowers", {"model.kind": f"{TORCH}:with_softmax", "model.hidden": None, "model.activation": None},
    ),
    "keras_raw": Case(
        "unscaled_inputs", "a network of Keras is given square metres as they are",
        "flats", {"data.scale_inputs": "none", "model.kind": f"{KERAS}:small", "model.hidden": None, "model.activation": None},
    ),
    "shuffled_labels": Case(
        "labels_say_nothing", "the targets were sorted apart from the inputs",
        "network", {"data.path": "data/shuffled.csv"},
    ),
    "constant_labels": Case(
        "labels_say_nothing", "every row has the same target",
        "network", {"data.path": "data/constant.csv"},
    ),
    "too_slow": Case(
        "too_slow", "a rate of 10⁻⁵ gets nowhere in 200 epochs",
        "network", {"optimizer.learning_rate": 1e-5},
    ),
    "too_short": Case(
        "too_slow", "two epochs are over before anything is learned",
        "network", {"optimizer.learning_rate": 0.01, "training.epochs": 2},
    ),
    "rate_zero": Case("rate_zero", "the learning rate is 0", "network", {"optimizer.learning_rate": 0.0}),
    "one_unit": Case(
        "model_too_small", "one unit is to draw a valley",
        "network", {"data.path": "data/valley.csv", "data.target": "height", "model.hidden": [1],
                    "optimizer.kind": "adam", "optimizer.learning_rate": 0.02},
    ),
    "no_epsilon": Case(
        "divided_by_zero", "Adam without its epsilon, and a column of zeros, whose gradient is 0",
        "line", {"data.path": "data/idle.csv", "optimizer.kind": "adam", "optimizer.eps": 0.0},
    ),
    "norm_of_one": Case(
        "batch_of_one", "batch norm with batches of one row",
        "network", {"model.norm": "batch", "training.batch_size": 1, "training.epochs": 20, "optimizer.learning_rate": 0.01},
    ),
    "large_start": Case(
        "start_too_large", "kernels are drawn a hundred times too large",
        "relu", {"model.init_scale": 100.0},
    ),
    "healthy_line": Case(HEALTHY, "a line at a tenth of its edge", "line", {}),
    "healthy_network": Case(HEALTHY, "a small network of tanh", "network", {}),
    "healthy_table": Case(HEALTHY, "a table, everything scaled", "flats", {}),
    "healthy_classes": Case(HEALTHY, "three classes", "flowers", {}),
    "healthy_noise": Case(
        HEALTHY, "more noise than signal: no network does better, and this one does as well as can be had",
        "line", {"data.path": "data/noisy.csv"},
    ),
    "healthy_own": Case(
        HEALTHY, "a network of one's own in plain JAX",
        "switch", {"model.kind": f"{JAX}:plain", "model.hidden": None, "model.activation": None},
    ),
}  # fmt: skip


def springs(rng: np.random.Generator, n: int = 96) -> pd.DataFrame:
    """Three inputs of size 1; a target that a line gives, one that bends, and the same around 20 degrees."""
    x = rng.standard_normal((n, 3))
    length = x @ [1.0, -0.7, 0.4] + 0.05 * rng.standard_normal(n)
    energy = np.tanh(1.5 * x[:, 0]) + 0.3 * x[:, 1] ** 2 - 0.3 - 0.4 * x[:, 2]
    table = pd.DataFrame(x, columns=["load", "age", "heat"])
    return table.assign(length=length, energy=energy, degrees=np.interp(energy, (energy.min(), energy.max()), (0, 40)))


def tables() -> dict[str, pd.DataFrame]:
    """Every table by its name; each from a generator of its own."""
    sound = springs(np.random.default_rng(1))
    flats = _flats(np.random.default_rng(2))
    flowers = _flowers(np.random.default_rng(3))
    rng = np.random.default_rng(4)
    scrambled = sound.assign(energy=rng.permutation(sound.energy))
    wide = pd.DataFrame(rng.standard_normal((96, 12)), columns=[f"sensor_{i}" for i in range(12)])
    return {
        "springs": sound.round(4),
        "gaps": sound.assign(heat=sound.heat.where(rng.random(96) > 0.1)).round(4),
        "gaps_in_target": sound.assign(length=sound.length.where(rng.random(96) > 0.05)).round(4),
        "molecules": sound.assign(heat=(sound.heat + 5) * 1e39),
        "faint": sound.assign(age=sound.age / 100).round(6),
        "weights": sound.assign(load=200 * sound.load, length=800 * sound.load + 100 * sound.age).round(2),
        "wide": wide.assign(length=wide @ rng.standard_normal(12)).round(4),
        "shuffled": scrambled.round(4),
        "constant": sound.assign(energy=1.5).round(4),
        "levels": sound.assign(energy=sound.energy.round(1)).round(4),
        "idle": sound.assign(heat=0.0).round(4),
        "noisy": sound.assign(length=sound.length + 3 * rng.standard_normal(96)).round(4),
        "valley": _valley().round(4),
        "flats": flats,
        "shops": _shops(rng),
        "flowers": flowers.assign(kind=flowers.kind.map({0: "reed", 1: "iris", 2: "lily"})),
        "places": _places(rng),
        "switch": _switch(rng).round(4),
    }


def _flats(rng: np.random.Generator, n: int = 120) -> pd.DataFrame:
    """Rents in cents."""
    size, rooms = rng.uniform(25, 180, n).round(), rng.integers(1, 6, n)
    year = rng.integers(1900, 2025, n)
    rent = 900 * size + 15_000 * rooms + 100 * (year - 1900) + 3_000 * rng.standard_normal(n)
    return pd.DataFrame({"size": size, "rooms": rooms, "year": year, "rent": rent.round()})


def _shops(rng: np.random.Generator, shops: int = 24, each: int = 8) -> pd.DataFrame:
    """Sales that hang on the shop alone, not on its number."""
    shop = np.repeat(np.arange(shops), each)
    sales = rng.permutation(np.linspace(-1.5, 1.5, shops))[shop] + 0.05 * rng.standard_normal(len(shop))
    order = rng.permutation(len(shop))
    return pd.DataFrame({"shop": [f"shop {i:02}" for i in shop[order]], "sales": sales[order].round(4)})


def _flowers(rng: np.random.Generator, each: int = 40) -> pd.DataFrame:
    """Three kinds, apart by two measures; the second kind lies between the others in neither."""
    kind = rng.permutation(np.repeat(np.arange(3), each))
    middle = np.array([[300.0, 900.0], [700.0, 300.0], [300.0, 300.0]])[kind]
    measured = middle + 60 * rng.standard_normal(middle.shape)
    return pd.DataFrame({"width": measured[:, 0].round(), "height": measured[:, 1].round(), "kind": kind})


def _places(rng: np.random.Generator, places: int = 12, each: int = 12) -> pd.DataFrame:
    """Twelve places on a circle, numbered in no order."""
    place = rng.permutation(np.repeat(np.arange(places), each))
    angle = 2 * np.pi * rng.permutation(places)[place] / places
    fell = 1.4 * np.column_stack([np.cos(angle), np.sin(angle)]) + 0.12 * rng.standard_normal((len(place), 2))
    return pd.DataFrame({"east": fell[:, 0].round(3), "north": fell[:, 1].round(3), "place": place})


def _switch(rng: np.random.Generator, n: int = 120) -> pd.DataFrame:
    """On, where two knobs are turned the same way."""
    x = rng.choice([-1.0, 1.0], (n, 2)) + 0.2 * rng.standard_normal((n, 2))
    return pd.DataFrame({"left": x[:, 0], "right": x[:, 1], "on": np.where(x[:, 0] * x[:, 1] > 0, "yes", "no")})


def _valley(n: int = 96) -> pd.DataFrame:
    """Down and up again: one unit is either rising or falling."""
    x = np.linspace(-1.5, 1.5, n)
    return pd.DataFrame({"place": x, "height": x**2 - 0.75})


def settings_of(case: Case) -> Tables:
    """The tables of a case's config."""
    tree = {table: dict(settings) for table, settings in SOUND[case.base].items()}
    for key, value in case.broken.items():
        table, name = key.split(".")
        if value is None:
            tree.get(table, {}).pop(name, None)
        else:
            tree.setdefault(table, {})[name] = value
    several = [name for name in columns_of(tree) if name in TARGETS]
    if len(several) > 1:
        tree["data"]["columns"] = [name for name in columns_of(tree) if name not in several]
    return tree


TARGETS = ("length", "energy", "degrees", "height")  # of tables that hold several


def columns_of(tree: Tables) -> list[str]:
    """The columns of the table that a config reads; none where it reads no file."""
    path = tree["data"].get("path")
    return list(ALL[Path(path).stem].columns) if path else []


ALL = tables()


def main() -> None:
    """Writes all of it."""
    (FOLDER / "data").mkdir(exist_ok=True)
    for name, table in ALL.items():
        table.to_csv(FOLDER / "data" / f"{name}.csv", index=False)
    for name, case in CASES.items():
        text = config_text(settings_of(case))
        (FOLDER / f"{name}.toml").write_text(f"# {case.told[0].upper()}{case.told[1:]}.\n\n{text}\n", encoding="utf-8")
    known = {name: {"cause": case.cause, "told": case.told} for name, case in CASES.items()}
    (FOLDER / "cases.json").write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

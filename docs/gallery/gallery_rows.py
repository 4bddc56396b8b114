"""The rows of the gallery's trainings: sound tables, and the same with one thing wrong."""

import numpy as np
import pandas as pd


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
        "slip": sound.assign(length=sound.length.where(sound.index != 16, 3e4)).round(4),
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

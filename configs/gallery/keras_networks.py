"""A network in Keras 3."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # before Keras is imported

import keras


def small(units: int = 16) -> keras.Model:
    """One hidden layer of ReLU, one output."""
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)])

"""A convolutional network in Keras 3."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # before Keras is imported

import keras


def build(channels: tuple[int, int] = (8, 16), dropout: float = 0.25) -> keras.Model:
    """Images `[rows, 8, 8, 1]` with pixels from 0 to 16 in, logits of ten digits out."""
    layers = [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 16)]
    for count in channels:
        layers += [
            keras.layers.Conv2D(count, 3, padding="same", use_bias=False),
            keras.layers.BatchNormalization(momentum=0.9),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
        ]
    return keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dropout(dropout), keras.layers.Dense(10)])

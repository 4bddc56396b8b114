"""Configs: typed settings of one training, read from TOML and validated before anything runs."""

from nanmap.config.load import build_config, load_config, parse_assignment, read_toml
from nanmap.config.settings import Config, Data, Loss, Model, Optimizer, Outcome, Record, Training

__all__ = [
    "Config",
    "Data",
    "Loss",
    "Model",
    "Optimizer",
    "Outcome",
    "Record",
    "Training",
    "build_config",
    "load_config",
    "parse_assignment",
    "read_toml",
]

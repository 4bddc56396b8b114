"""Configs: typed settings of one training, read from TOML and validated before anything runs."""

from nanmap.config.explain import check_values
from nanmap.config.load import build_config, config_tables, load_config, parse_assignment, read_toml
from nanmap.config.settings import (
    THRESHOLDS,
    Config,
    DataSettings,
    LossSettings,
    ModelSettings,
    OptimizerSettings,
    OutcomeSettings,
    RecordSettings,
    TrainingSettings,
)

__all__ = [
    "THRESHOLDS",
    "Config",
    "DataSettings",
    "LossSettings",
    "ModelSettings",
    "OptimizerSettings",
    "OutcomeSettings",
    "RecordSettings",
    "TrainingSettings",
    "build_config",
    "check_values",
    "config_tables",
    "load_config",
    "parse_assignment",
    "read_toml",
]

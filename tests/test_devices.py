"""What is told to JAX before its first array: which devices, how many, and where compiled programs are kept."""

import os
from pathlib import Path
from typing import Any

import jax
import pytest

from nanmap.engine import devices
from nanmap.engine.compilation_cache import cache_folder
from nanmap.errors import InputError

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
KEPT = {"jax_persistent_cache_min_compile_time_secs": 0, "jax_persistent_cache_min_entry_size_bytes": -1}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What JAX is told, as if nobody had chosen a number of devices yet. It is not really told."""
    asked: dict[str, Any] = {}
    monkeypatch.setattr(type(jax.config), "update", lambda self, name, value: asked.update({name: value}))
    monkeypatch.setattr(devices, "JAX_DEFAULT", jax.config.jax_num_cpu_devices)
    monkeypatch.setenv("NANMAP_CACHE", str(tmp_path))
    monkeypatch.setenv("XLA_FLAGS", "")
    return asked


@pytest.mark.parametrize(("device", "platforms"), [("auto", {}), ("cpu", {"jax_platforms": "cpu"})])
def test_every_core_is_a_device_and_compiled_programs_are_kept_however_small(
    device: str, platforms: dict[str, str], told: dict[str, Any], tmp_path: Path
) -> None:
    devices.set_up(device)
    folder = {"jax_compilation_cache_dir": str(tmp_path / "xla")}
    assert told == {"jax_num_cpu_devices": CORES} | folder | KEPT | platforms


def test_a_gpu_that_is_not_there_is_told_with_what_to_install(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    with pytest.raises(InputError, match="finds no GPU") as error:
        devices.set_up("gpu")
    assert (error.value.key, error.value.value, error.value.allowed) == ("--device", "gpu", ("auto", "cpu"))
    assert "pip install 'nanmap[cuda]'" in error.value.mend
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    devices.set_up("gpu")
    assert "jax_platforms" not in told


def test_an_unknown_device_is_refused_before_jax_is_told_anything(told: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="is no device") as error:
        devices.set_up("tpu")
    assert (error.value.key, error.value.value, error.value.allowed) == ("--device", "tpu", ("auto", "cpu", "gpu"))
    assert told == {}


def test_a_number_of_devices_that_was_chosen_stays(told: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=3")
    devices.use_all_cores()
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(devices, "JAX_DEFAULT", -1)  # while conftest has chosen two
    devices.use_all_cores()
    assert told == {}


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "home/.cache/nanmap/xla"),
        ({"XDG_CACHE_HOME": "/caches"}, "/caches/nanmap/xla"),
        ({"XDG_CACHE_HOME": "/caches", "NANMAP_CACHE": "/mine"}, "/mine/xla"),
        ({"XDG_CACHE_HOME": "", "NANMAP_CACHE": ""}, "home/.cache/nanmap/xla"),
    ],
)
def test_compiled_programs_are_kept_where_the_environment_says(
    variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    for name in ("XDG_CACHE_HOME", "NANMAP_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder)

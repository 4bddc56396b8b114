"""Imports the code that a config names, after the permission was asked for, and tells its faults with the user's own line."""

import hashlib
import importlib
import importlib.machinery
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from nanmap.config.code import Code, is_given, is_held
from nanmap.errors import InputError, did_you_mean, nearest
from nanmap.models.own.given import given_function
from nanmap.models.own.keras_model import BACKEND
from nanmap.models.own.memory import held

BACKENDS = ("tensorflow", "torch")  # of Keras, beside JAX
EXTRAS = ("flax", "equinox", "keras", "torch")  # frameworks that nanmap has extras for


def function_of(text: str, key: str) -> Callable[..., Any]:
    """The function that a setting names.

    Args:
        text: `python:net.py:build` or `python:package.module:build`; `held:…:name` for one that returns what a program holds.
        key: the setting, for messages.

    Raises:
        InputError: there is no such file, module or function, or importing it fails.
    """
    if is_held(text):
        given = held(text, key)
        return lambda: given
    code = Code.of(text)
    if is_given(text):
        return given_function(text, key)
    module = _of_file(code, key) if code.file else _of_module(code, key)
    found = getattr(module, code.name, None)
    if found is None:
        known = sorted(name for name, value in vars(module).items() if callable(value) and _own(value, module))
        mend = did_you_mean(code.name, known)
        raise fault(text, key, "names no function of it", allowed=known, mend=mend)
    if not callable(found):
        raise fault(text, key, "is no function")
    return found


def source_digest(text: str, key: str) -> str:
    """SHA-256 of the file that holds a function; of a module that has no file, of its name. What a program holds has its own."""
    if is_held(text):
        return held(text, key).digest
    code = Code.of(text)
    file = code.file
    if file is None and not is_given(text):
        origin = getattr(_of_module(code, key), "__file__", None)
        file = Path(origin) if origin else None
    return hashlib.sha256(file.read_bytes() if file and file.is_file() else str(code).encode()).hexdigest()


def unimported_digest(text: str, key: str) -> str:
    """SHA-256 of the file that holds a function, found without importing it or anything else.

    Raises:
        InputError: there is no such file.
    """
    code = Code.of(text)
    file = code.file or _file_of_module(code.place)
    if file is None or not file.is_file():
        mend = "name its file: python:path/to/file.py:factory"
        raise InputError("the source of this code is not found", key=key, value=code.place, mend=mend)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _file_of_module(name: str) -> Path | None:
    """Where a module stands, package by package: to ask for it by its whole name would import those around it."""
    places: list[str] | None = [str(Path.cwd()), *sys.path]
    parts, spec = name.split("."), None
    for depth in range(len(parts)):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[: depth + 1]), places)
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    return Path(spec.origin) if spec and spec.origin else None


def fault(text: str, key: str, problem: str, **more: Any) -> InputError:
    """What is wrong with the code that a setting names; `more` as `InputError` takes it."""
    code = Code.of(text)
    return InputError(problem, file=code.place, key=key, value=code.name, **more)


@contextmanager
def told(text: str, key: str, doing: str) -> Iterator[None]:
    """Turns whatever the user's code raises into an InputError, with the line of hers that did it.

    Args:
        text: the setting's value.
        key: the setting.
        doing: what the code was doing, as in "while it was imported".
    """
    code = Code.of(text)
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in BACKENDS and any("keras" in Path(each.filename).parts for each in _frames(error)):
            raise InputError(
                "imports a Keras that does not compute with JAX",
                file=code.place,
                key=key,
                value=code.name,
                mend=BACKEND,
            ) from None
        extra = f"pip install 'nanmap[{missing}]'" if missing in EXTRAS else f"install `{missing}`" if missing else None
        raise fault(text, key, _said(error, code, doing), mend=extra) from None
    except Exception as error:
        raise fault(text, key, _said(error, code, doing)) from None


def _frames(error: BaseException) -> traceback.StackSummary:
    return traceback.extract_tb(error.__traceback__)


def _said(error: BaseException, code: Code, doing: str) -> str:
    """The error, and the last line of the user's that led to it."""
    frames = _frames(error)
    mine = [each for each in frames if code.file and Path(each.filename) == code.file]
    others = [each for each in frames if "site-packages" not in each.filename and "/nanmap/" not in each.filename]
    last = next(reversed(mine or others), None)
    where = f" in line {last.lineno} of {Path(last.filename).name}, `{last.line}`" if last else ""
    if isinstance(error, SyntaxError) and error.filename and not mine:
        where = f" in line {error.lineno} of {Path(error.filename).name}"
    first, *_ = str(error).strip().split("\n") or [""]
    return f"raised {type(error).__name__} {doing}{where}{f': {first}' if first else ''}"


def _of_file(code: Code, key: str) -> ModuleType:
    file = Path(code.place)
    if not file.is_file():
        near = nearest(file.name, [other.name for other in file.parent.glob("*.py")])
        mend = f"did you mean `{near}`?" if near else None
        raise InputError("no such file", file=file, key=key, mend=mend)
    with told(str(code), key, "while it was imported"):
        return _imported(file, hashlib.sha256(file.read_bytes()).hexdigest())


@lru_cache(maxsize=64)
def _imported(file: Path, digest: str) -> ModuleType:
    """A file as a module of its own, again once its content is another. What lies beside it may be imported from it."""
    name = f"nanmap_own_{file.stem}_{digest[:12]}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    try:
        with _on_path(file.parent):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """Lets modules of a folder be imported, as Python does for a script in it."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _of_module(code: Code, key: str) -> ModuleType:
    with told(str(code), key, "while it was imported"), _on_path(Path.cwd()):
        try:
            return importlib.import_module(code.place)
        except ModuleNotFoundError as error:
            if error.name and (code.place == error.name or code.place.startswith(f"{error.name}.")):
                mend = "install its package, or name a file: python:path/to/file.py:factory"
                raise InputError("no such module", key=key, value=code.place, mend=mend) from None
            raise


def _own(value: Any, module: ModuleType) -> bool:
    return getattr(value, "__module__", None) == module.__name__

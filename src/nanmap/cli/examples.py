"""`nanmap examples`: the configs and sweeps that come with the package."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nanmap.cli.app import app
from nanmap.errors import InputError, did_you_mean

THREADS = "threads/"
GROUPS = {  # listed behind the others, which all know
    THREADS: "four beginners' programs, every fix that they were offered, and the sweeps that compare them",
    "gallery/": "trainings with one known fault each, and sound ones, to be diagnosed (docs/gallery.md)",
}


@app.command(epilog="Example:  nanmap examples keras_line --out my_project")
def examples(
    name: Annotated[
        str | None, typer.Argument(help="Example to copy out; lists them all unless given.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder to copy into.")] = Path("."),
) -> None:
    """List the shipped configs and sweeps, or copy one out."""
    if name is None:
        _list_all()
    else:
        _copy(name, out)


def root() -> Path:
    """The folder that holds `configs` and `sweeps`: inside an installed package, or the checkout's top."""
    packaged = Path(__file__).parents[1] / "shipped"
    return packaged if packaged.is_dir() else Path(__file__).parents[3]


def refuse_example(path: Path) -> None:
    """Raises InputError if a file that is asked for is not there, but is an example that can be copied out."""
    name = _stem(path.as_posix())
    if not path.exists() and name in _found("sweeps") | _found("configs"):
        raise InputError(
            "no such file, but an example", file=path, mend=f"nanmap examples {name} --out DIR copies it out"
        )


def _list_all() -> None:
    """The examples, and apart from them those that belong together."""
    found = {folder: _found(folder) for folder in ("sweeps", "configs")}
    for title, files in found.items():
        _list(title, {key: file for key, file in files.items() if not key.startswith(tuple(GROUPS))})
    for group, told in GROUPS.items():
        print(f"\n{told}:")
        for title, files in found.items():
            _list(title, {key: file for key, file in files.items() if key.startswith(group)})
    print("\ncopy one out:  nanmap examples NAME --out DIR")


def _copy(name: str, out: Path) -> None:
    """Copies an example and all the files that it needs; overwrites nothing."""
    import shlex
    import shutil

    sweeps, configs = _found("sweeps"), _found("configs")
    stem = _stem(name)
    if stem not in sweeps | configs:
        known = sorted(sweeps | configs)
        mend = did_you_mean(name, known) or "`nanmap examples` lists them all"
        first = [key for key in known if not key.startswith(tuple(GROUPS))]
        raise InputError(
            "no such example", key="NAME", value=name, allowed=[*first, f"those in {' and '.join(GROUPS)}"], mend=mend
        )
    needed = _needed([sweeps[stem] if stem in sweeps else configs[stem]])
    targets = {file: out / file.relative_to(root()) for file in needed}
    for target in targets.values():
        if target.exists():
            raise InputError(
                "exists already and is left as it is", file=target, mend="choose another folder with --out"
            )
    for file, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        print(target)
    allow = " --allow-python" if any(file.suffix == ".py" for file in needed) else ""
    print(f"next: nanmap {'sweep' if stem in sweeps else 'run'} {shlex.quote(str(targets[needed[0]]))}{allow}")


def _stem(name: str) -> str:
    return name.removesuffix(".toml").removeprefix("sweeps/").removeprefix("configs/")


def _found(folder: str) -> dict[str, Path]:
    """The TOML files below a shipped folder by the name that they are asked for."""
    top = root() / folder
    return {file.relative_to(top).with_suffix("").as_posix(): file for file in sorted(top.rglob("*.toml"))}


def _list(title: str, files: dict[str, Path]) -> None:
    if not files:
        return
    print(f"{title}:")
    width = max(map(len, files))
    for key, file in files.items():
        print(f"  {key:<{width}}  {_first_comment(file)}")


def _needed(files: list[Path]) -> list[Path]:
    """The files, the configs that they name, and the data that those read."""
    import tomllib

    for file in files:
        tree = tomllib.loads(file.read_text(encoding="utf-8")) if file.suffix == ".toml" else {}
        named = [tree.get("config"), tree.get("data", {}).get("path"), tree.get("model", {}).get("init_file")]
        for relative in filter(None, [*named, *_code_files(tree)]):
            other = (file.parent / relative).resolve()
            if other not in files:
                files.append(other)
    return files


def _code_files(tree: dict[str, Any]) -> list[str]:
    """The files of the code that a config names."""
    from nanmap.config.code import CODE_KEYS, code_file

    kinds = [tree.get(table, {}).get(name) for table, name in (key.split(".") for key in CODE_KEYS)]
    return [file for file in map(code_file, kinds) if file]


def _first_comment(file: Path) -> str:
    line = file.read_text(encoding="utf-8").partition("\n")[0]
    return line.removeprefix("#").strip() if line.startswith("#") else ""

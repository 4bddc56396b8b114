"""Writes configs/gallery: trainings with one known fault each, and healthy ones; their rows, and the table of what is wrong.

python docs/gallery/make_configs.py     writes *.toml, data/*.csv and cases.json, the same every time

`sound.toml` has the sound trainings, `cases.toml` what was broken in each, `gallery_rows.py` their rows.
"""

import json
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd

from gallery_rows import tables
from nanmap.config.load import with_settings
from nanmap.listings import config_text

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "configs" / "gallery"
SOUND = tomllib.loads((HERE / "sound.toml").read_text(encoding="utf-8"))
CASES = tomllib.loads((HERE / "cases.toml").read_text(encoding="utf-8"))
TARGETS = ("length", "energy", "degrees", "height")  # of tables that hold several: the others are no inputs


def settings_of(case: dict[str, Any], rows: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The tables of a case's config."""
    tree = with_settings(SOUND[case["sound"]], case.get("changed", {}))
    for key in case.get("without", ()):
        table, name = key.split(".")
        del tree[table][name]
    if "path" in tree["data"]:
        columns = list(rows[Path(tree["data"]["path"]).stem].columns)
        inputs = [name for name in columns if name not in TARGETS]
        if len(columns) - len(inputs) > 1:
            tree["data"]["columns"] = inputs
    return tree


def main() -> None:
    """Writes all of it."""
    rows = tables()
    (FOLDER / "data").mkdir(exist_ok=True)
    for name, table in rows.items():
        table.to_csv(FOLDER / "data" / f"{name}.csv", index=False)
    for name, case in CASES.items():
        told, text = case["told"], config_text(settings_of(case, rows))
        (FOLDER / f"{name}.toml").write_text(f"# {told[0].upper()}{told[1:]}.\n\n{text}\n", encoding="utf-8")
    known = {name: {"cause": case["cause"], "told": case["told"]} for name, case in CASES.items()}
    (FOLDER / "cases.json").write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

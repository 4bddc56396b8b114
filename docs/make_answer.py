"""Writes the answer and the picture of docs/diagnose.md: what `nanmap diagnose configs/keras_line.toml` prints and draws."""

import re
from pathlib import Path

import nanmap
from nanmap.diagnosis import Section, told
from nanmap.diagnosis.picture import draw

ROOT = Path(__file__).parents[1]
PAGE, PICTURE = ROOT / "docs" / "diagnose.md", ROOT / "docs" / "images" / "diagnose.png"
BLOCK = re.compile(r"(<!-- answer -->\n).*?(<!-- end of answer -->)", re.DOTALL)


def in_words(sections: list[Section]) -> str:
    """The sections as the command prints them."""
    return "\n\n".join("\n".join([each.title, *(f"  {said}" for said in each.sentences)]) for each in sections)


def main() -> None:
    """Diagnoses, and puts both in their places."""
    answer = nanmap.diagnose(ROOT / "configs" / "keras_line.toml", budget=600)
    draw(answer, PICTURE)
    block = f"```\n{in_words(told(answer))}\n```\n"
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(BLOCK.sub(lambda found: found[1] + block + found[2], page), encoding="utf-8")


if __name__ == "__main__":
    main()

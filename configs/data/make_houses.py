"""Makes houses.csv: invented houses with every fault the tabular thread names. Run it to see that the file follows.

Price = 900·area + 15,000·rooms + 400·(year − 1900) − 2,500·distance + a bonus by district + noise, in euros.
"""

from pathlib import Path

import numpy as np

DISTRICTS = {"centre": 90_000, "harbour": 45_000, "north": 0, "park": 60_000, "south": 15_000}
ROWS, MISSING = 125, {"area": (17,), "year": (44, 101), "distance": (63,)}


def main() -> None:
    """Writes the file beside this script."""
    rng = np.random.default_rng(20)
    area = rng.uniform(25, 240, ROWS).round(1)
    rooms = np.clip((area / 30 + rng.normal(0, 0.7, ROWS)).round(), 1, 9).astype(int)
    year = rng.integers(1900, 2024, ROWS)
    distance = rng.exponential(6, ROWS).round(2)
    district = rng.choice(list(DISTRICTS), ROWS)
    bonus = np.array([DISTRICTS[name] for name in district])
    price = 900 * area + 15_000 * rooms + 400 * (year - 1900) - 2_500 * distance + bonus + rng.normal(0, 9_000, ROWS)
    lines = ["area,rooms,year,distance,district,price"]
    for row in range(ROWS):
        cells = {"area": area[row], "rooms": rooms[row], "year": year[row], "distance": distance[row]}
        texts = ["" if row in MISSING.get(name, ()) else str(value) for name, value in cells.items()]
        lines.append(",".join([*texts, district[row], str(round(price[row], -2).astype(int))]))
    Path(__file__).with_name("houses.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

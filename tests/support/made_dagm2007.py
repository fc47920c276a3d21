"""Makes archives in both layouts of DAGM 2007."""

import pathlib

import numpy as np
from made_archives import save

SIZE = (24, 32)


def make_competition(root: pathlib.Path, number: int, good: int = 3, defective: int = 2) -> None:
    rng = np.random.default_rng(number)
    for split in ("Train", "Test"):
        folder = root / f"Class{number}" / split
        rows = ["1"]
        for image in range(1, good + defective + 1):
            name, mask = f"{image:04d}.PNG", f"{image:04d}_label.PNG"
            save(folder / name, rng.integers(0, 255, SIZE))
            if image <= defective:
                save(folder / "Label" / mask, np.pad(np.full((4, 5), 255), ((3, 17), (2, 25))))
                rows.append(f"{image:04d}\t1\t{name}\t0\t{mask}\t")
            else:
                rows.append(f"{image:04d}\t0\t{name}\t0\t0\t")
        (folder / "Label" / "Labels.txt").write_bytes("\r\n".join(rows).encode())


def make_public(root: pathlib.Path, number: int) -> None:
    rng = np.random.default_rng(number)
    for image in range(1, 9):
        save(root / f"Class{number}" / f"{image}.png", rng.integers(0, 255, SIZE))
    for image in range(1, 5):
        save(root / f"Class{number}_def" / f"{image}.png", rng.integers(0, 255, SIZE))
    rows = [f"{image}\t 6.0\t 3.0\t 0.0\t 16.0\t 12.0" for image in range(1, 5)]
    (root / f"Class{number}_def" / "labels.txt").write_text("\n".join(rows))

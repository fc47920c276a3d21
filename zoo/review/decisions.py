"""What a person decides about the masks of a teacher, kept in the folder's manifest."""

import hashlib
import pathlib
import shutil
from collections.abc import Mapping

import numpy as np
from absl import logging

from builders.runs.atomic import replacing
from tfds_datasets.image_mask_folder import manifest
from zoo.pseudo_masks.hysteresis import Levels, pseudo_mask
from zoo.pseudo_masks.student_folder import MAPS
from zoo.saved_maps.maps import read_map
from zoo.visualization import pictures

DECISIONS = ACCEPTED, REJECTED, REDRAWN, UNDONE = ("accepted", "rejected", "redrawn", "undone")
REASON = "rejected in review"
IMAGES = pathlib.PurePosixPath("train/images")  # a mask of a teacher is never one to test with
# Where the masks lie that were drawn anew since, as the teacher drew them.
TEACHER_MASKS = "teacher_masks"
# What the teacher said of an image: the line of the manifest keeps it under `teacher`.
OPINION = ("use", "reason", "levels", "defect_pixels")


def read_entries(root) -> dict[str, dict]:
    """Returns the lines of the manifest whose masks a teacher drew, by file.

    Raises:
      ValueError: the folder has no manifest or no such mask, a line lacks something or leads out of
        the folder.
    """
    return _reviewable(root, _read_lines(pathlib.Path(root)))


def _reviewable(root, lines: dict[str, dict]) -> dict[str, dict]:
    entries = {f: line for f, line in lines.items() if line["mask_source"] == manifest.PSEUDO}
    if not entries:
        raise ValueError(f"{root} has no mask of a teacher that could be reviewed.")
    for file, entry in entries.items():
        _check_entry(root, file, entry)
    return entries


def _read_lines(root: pathlib.Path) -> dict[str, dict]:
    lines = manifest.read_manifest(root)
    if lines is None:
        raise ValueError(
            f"A folder to review must have a {manifest.FILE}, as the folder `pseudo` has that "
            f"`python -m zoo pseudo_masks` writes. Received: {root}"
        )
    return lines


def _check_entry(root, file: str, entry: dict) -> None:
    path = pathlib.PurePosixPath(file)
    try:
        levels = *Levels(**entry["levels"]), *teacher_levels(entry)
        numbers = [entry["score"], entry["defect_pixels"], *levels]
        sound = (
            bool(np.isfinite(numbers).all())
            and entry["reviewed"] in (None, ACCEPTED, REJECTED, REDRAWN)
            and "reason" in entry
        )
    except (KeyError, TypeError):  # something is missing, or no number
        sound = False
    if path.parent != IMAGES or path.suffix != ".png" or not sound:
        raise ValueError(
            f"Each line of {manifest.FILE} in {root} with a teacher's mask must name a PNG in "
            f"{IMAGES}, and have the score, levels, defect_pixels, reason and reviewed that "
            f"`python -m zoo pseudo_masks` writes. Received: {file!r}"
        )


def paths(root, file: str) -> dict[str, pathlib.Path]:
    """Returns the files of an image.

    `image`, `mask`, `map`, and `teacher_mask`, which may not be there.
    """
    root, path = pathlib.Path(root), pathlib.PurePosixPath(file)
    return {
        "image": root / path,
        "mask": root / "train/masks" / path.name,
        "map": root / MAPS / f"{path.stem}.npz",
        "teacher_mask": root / TEACHER_MASKS / path.name,
    }


def teacher_levels(entry: dict) -> Levels:
    """Returns the thresholds that the teacher's mask was drawn by."""
    return Levels(**entry.get("teacher", entry)["levels"])


def order(entries: Mapping[str, dict], disagreements: Mapping[str, float] | None = None) -> list:
    """Returns the files, those first that need a look the most.

    Args:
      entries: see `read_entries`.
      disagreements: of student and teacher, in [0, 1], by file; the largest are first. Without
        them, the scores nearest to the threshold of images are.
    """

    def urgency(file):
        if disagreements is not None:
            return -disagreements[file], file
        return abs(entries[file]["score"] - teacher_levels(entries[file]).image), file

    return sorted(entries, key=urgency)


def decide(root, file: str, decision: str, threshold: float | None = None) -> dict:
    """Saves a decision about one image; every decision may follow every other.

    A rejected image stays on disk, and the data set builder leaves it out. An accepted one is used
    with the mask that it has. A redrawn one has a new mask, which is empty where the threshold
    reaches the maximum of the map: that image is good. Undone, all is as the teacher left it.

    Args:
      root: the folder.
      file: of the image, as the manifest has it.
      decision: one of `DECISIONS`.
      threshold: of the map, exclusive; to redraw alone.

    Returns:
      The new line of the manifest.

    Raises:
      ValueError: there is no such file or decision, or the threshold is no finite number.
    """
    root = pathlib.Path(root)
    lines = _read_lines(root)
    entries = _reviewable(root, lines)
    if not isinstance(file, str) or file not in entries:
        raise ValueError(
            "Argument `file` must be that of an image with a teacher's mask. "
            f"Received: {str(file)[:100]!r}"
        )
    if decision not in DECISIONS:
        raise ValueError(
            f"Argument `decision` must be one of {', '.join(DECISIONS)}. Received: {decision!r}"
        )
    entry = entries[file]
    teacher = entry.get("teacher", {key: entry[key] for key in OPINION})
    entry = {**entry, "teacher": teacher, "reviewed": None if decision == UNDONE else decision}
    mask = None
    if decision == ACCEPTED:
        entry |= {"use": True, "reason": None}
    elif decision == REJECTED:
        entry |= {"use": False, "reason": REASON}
    elif decision == REDRAWN:
        entry |= {"use": True, "reason": None, "redrawn_at": check_threshold(threshold)}
        entry["levels"] = Levels(**teacher["levels"]).redraw(entry["redrawn_at"])._asdict()
        drawn = _draw(root, entry)
        entry["defect_pixels"] = int(np.count_nonzero(drawn == 1))
        mask = pictures.png_bytes(drawn)
        _keep_teacher_mask(root, file)
    else:
        entry |= {**teacher, "redrawn_at": None}
        if paths(root, file)["teacher_mask"].is_file():
            mask = _mask_bytes(root, entry)
    if mask is not None:
        entry["mask_sha256"] = _sha256(mask)
        entry["earlier_mask_sha256"] = _sha256(paths(root, file)["mask"].read_bytes())
    lines[file] = entry
    _save(root, lines, file, mask)
    return entry


def check_threshold(threshold) -> float:
    """Returns a threshold of a map as a float.

    Raises:
      ValueError: it is no finite number of 32 bits, as maps have them.
    """
    if (
        not isinstance(threshold, int | float)
        or isinstance(threshold, bool)
        or not abs(threshold) <= float(np.finfo(np.float32).max)  # nor is NaN
    ):
        raise ValueError(
            f"Argument `threshold` must be a finite number. Received: {str(threshold)[:40]!r}"
        )
    return float(threshold)


def finish_interrupted(root) -> None:
    """Writes the masks that a killed process has noted in the manifest, and not written yet.

    One that was changed since, as in a program for pictures, is left as it is, with a warning.
    """
    root = pathlib.Path(root)
    for file, entry in read_entries(root).items():
        path = paths(root, file)["mask"]
        found = _sha256(path.read_bytes()) if "mask_sha256" in entry else None
        if found == entry.get("mask_sha256"):
            continue
        if found == entry.get("earlier_mask_sha256"):
            with replacing(path) as temporary:
                temporary.write_bytes(_mask_bytes(root, entry))
        else:
            logging.warning("%s was changed outside of the review, and is left as it is.", path)


def _save(root: pathlib.Path, lines: dict[str, dict], file: str, mask: bytes | None) -> None:
    if mask is None:
        return manifest.write_manifest(root, lines.values())
    # An error leaves both as they were. A process that is killed between the two renames leaves
    # the earlier mask, which no longer has the checksum of the manifest; see `finish_interrupted`.
    with replacing(paths(root, file)["mask"]) as temporary:
        temporary.write_bytes(mask)
        manifest.write_manifest(root, lines.values())


def _mask_bytes(root: pathlib.Path, entry: dict) -> bytes:
    if entry["redrawn_at"] is None:
        return paths(root, entry["file"])["teacher_mask"].read_bytes()
    return pictures.png_bytes(_draw(root, entry))


def _draw(root: pathlib.Path, entry: dict) -> np.ndarray:
    return pseudo_mask(read_map(paths(root, entry["file"])["map"]), Levels(**entry["levels"]))


def _keep_teacher_mask(root: pathlib.Path, file: str) -> None:
    """Copies it once: labels may have emptied it, so the map alone does not bring it back."""
    mask, kept = (paths(root, file)[name] for name in ("mask", "teacher_mask"))
    if not kept.is_file():
        kept.parent.mkdir(exist_ok=True)
        with replacing(kept) as temporary:
            shutil.copyfile(mask, temporary)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

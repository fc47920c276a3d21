"""Writes the data sets that students learn from: a teacher's masks, painted defects, the truth.

A teacher has learnt from good images alone. What it marks on images that it has not seen becomes
the masks of a small, fast student. Beside them come the two that tell what those masks are worth:
masks of defects that were painted on good images, and the truth. All three are folders of
`image_mask_folder` with the same good images, the same test images, and the truth about those.
"""

import itertools
import pathlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from absl import logging

from builders.predictions import defect_probability
from builders.runs import run_dir
from builders.runs.atomic import replacing, write_json
from tfds_datasets.copies import COPY_SIDE, thumbnail
from tfds_datasets.features import IGNORE
from tfds_datasets.image_mask_folder import manifest
from zoo.data import datasets
from zoo.evaluation.samples import judged_mask
from zoo.evaluation.thresholds import image_threshold, pixel_threshold
from zoo.metrics.score_histogram import ScoreHistogram
from zoo.metrics.segmentation import is_defect
from zoo.prediction.predictor import Predictor
from zoo.pseudo_masks import roles
from zoo.pseudo_masks.hysteresis import Levels, pseudo_mask
from zoo.pseudo_masks.student_folder import StudentFolder
from zoo.recipes.builder_kinds import ONE_CLASS_BUILDERS
from zoo.recipes.recipe import Recipe
from zoo.recipes.threshold_rules import Rule, parse_rule
from zoo.synthetic_anomalies.foreground import foreground_masks
from zoo.synthetic_anomalies.painting import with_anomalies
from zoo.synthetic_anomalies.textures import find_textures, require_readable
from zoo.visualization import progress

FOLDERS = PSEUDO, SYNTHETIC, GROUND_TRUTH = ("pseudo", "synthetic", "ground_truth")
# Pixels above the threshold of so many times the false alarms may be defective: nobody knows.
OPEN_FACTOR = 10
PAINTED_SEED = 0
NO_REGION = "defective, but no region of its map is"
NO_MASK = "defective, but its mask shows no defect"


class _Example(NamedTuple):
    """An image of the teacher's data set: `key` names it in all splits."""

    key: str
    split: str
    fields: dict


def write_pseudo_masks(
    predictor: Predictor,
    builder,
    output_dir,
    *,
    preset: str = "honest",
    image_labels: bool = False,
) -> dict:
    """Writes `roles.json`, `calibration.json` and the folders of `FOLDERS`, whole or not at all.

    Args:
      predictor: the teacher; it takes images of any size.
      builder: the built data set that it learnt from.
      output_dir: is made; it must not be there.
      preset: one of `roles.ROLES`.
      image_labels: whether it is known which of the student's images are good. Then their masks are
        empty; in defective ones all that exceeds the pixel threshold is a defect, whatever the
        image's threshold says; and those in which nothing does are left out.

    Returns:
      What `calibration.json` holds: `levels`, those of `Levels`; `source`, which says in words
      where they come from; the number of `images` that chose them; `image_labels`; and of the
      student's images, those `marked`, `empty` and `left_out`.

    Raises:
      ValueError: the teacher has not learnt from good images alone, its thresholds need defects,
        no good image is there to choose them by, a texture is broken, or `output_dir` is there.
    """
    recipe = Recipe.from_dict(predictor.recipe)
    rules = _rules_of_good_images(recipe)
    if preset not in roles.ROLES:
        raise ValueError(
            f"Argument `preset` must be one of {', '.join(roles.ROLES)}. Received: {preset!r}"
        )
    output_dir = pathlib.Path(output_dir)
    if output_dir.exists():
        raise ValueError(f"{output_dir} is there already. Choose another --output_dir.")
    textures = find_textures(recipe.textures)
    require_readable(textures)
    output_dir.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output_dir) as folder:
        folder.mkdir()
        facts, given = _give_roles(builder, recipe, preset)
        write_json(folder / "roles.json", _document(preset, recipe, builder, given))
        good = {name for name, each in facts.items() if roles.calibrates(each, recipe)}
        levels = _choose_levels(rules, predictor, _examples(builder, good))
        counts = _write_folders(
            folder, predictor, builder, recipe, given, levels, textures, image_labels=image_labels
        )
        calibration = {
            "levels": levels._asdict(),
            "source": f"pixels by {recipe.pixel_rule}, images by {recipe.image_rule}, on the good "
            f"images of folds {', '.join(map(str, recipe.validation_folds))} of "
            f"{recipe.train_split}",
            "images": len(good),
            "image_labels": image_labels,
            **counts,
        }
        write_json(folder / "calibration.json", calibration)
    return calibration


def _rules_of_good_images(recipe: Recipe) -> tuple[Rule, Rule]:
    if recipe.builder not in ONE_CLASS_BUILDERS:
        raise ValueError(
            "A teacher must have learnt from good images alone, as "
            f"{', '.join(ONE_CLASS_BUILDERS)} does. Received: {recipe.module}"
        )
    rules = tuple(parse_rule(name, getattr(recipe, name)) for name in ("pixel_rule", "image_rule"))
    if any(rule.needs_defects for rule in rules):
        raise ValueError(
            "Thresholds of a teacher must be chosen by good images alone: recipe fields "
            "`pixel_rule` and `image_rule` must not be best_f1 or best_f1_1se."
        )
    return rules


def _examples(builder, keys: set[str] | None = None) -> Iterator[_Example]:
    """Reads the images of all splits, those of some keys."""
    for split in sorted(builder.info.splits):
        for fields in builder.as_dataset(split=split, shuffle_files=False).as_numpy_iterator():
            name = fields["file_name"].decode()
            key = name if name.startswith(f"{split}/") else f"{split}/{name}"
            if keys is None or key in keys:
                yield _Example(key, split, fields)


def _stems(keys: Iterable[str]) -> dict[str, str]:
    """Names the files of each image; a suffix or a number tells apart what would be one file."""
    stems: dict[str, str] = {}
    taken = set()
    for key in sorted(keys):
        path = pathlib.PurePosixPath(key)
        stem = path.with_suffix("").as_posix().replace("/", "_")
        names = itertools.chain(
            [stem, key.replace("/", "_")], (f"{stem}_{number}" for number in itertools.count(2))
        )
        stems[key] = next(name for name in names if name not in taken)
        taken.add(stems[key])
    return stems


def _give_roles(builder, recipe, preset):
    facts, thumbnails = {}, {}
    for example in _examples(builder):
        if example.key in facts:
            raise ValueError(f"Two images of {builder.info.full_name} are named {example.key}.")
        fields = example.fields
        facts[example.key] = roles.ImageFacts(
            example.split, int(fields["fold"]), bool(fields["label"] > 0)
        )
        thumbnails[example.key] = thumbnail(fields["image"], COPY_SIDE)
    return facts, roles.ROLES[preset](facts, recipe, thumbnails)


def _document(preset, recipe, builder, given) -> dict:
    counts = roles.count_roles(given.values())
    logging.info("Roles: %s.", ", ".join(f"{count} {role}" for role, count in counts.items()))
    return {
        "preset": preset,
        "teacher": recipe.module,
        "dataset": builder.info.full_name,
        "counts": counts,
        "images": {key: role._asdict() for key, role in given.items()},
    }


def _choose_levels(rules, predictor, examples: Iterable[_Example]) -> Levels:
    """Returns the thresholds of maps, from images that the teacher has not learnt from."""
    by_pixel, by_image = rules
    histogram, scores = ScoreHistogram(), []
    for example in examples:
        anomaly_map = _anomaly_map(predictor, example)
        histogram.add(anomaly_map)
        scores.append(float(anomaly_map.max()))
    pixel = pixel_threshold(by_pixel, good=histogram)
    often = by_pixel._replace(share=min(OPEN_FACTOR * by_pixel.share, type(by_pixel.share)(1, 2)))
    image = image_threshold(by_image, scores, np.zeros(len(scores), bool))
    return Levels(pixel_threshold(often, good=histogram), pixel, max(image, pixel))


def _anomaly_map(predictor, example: _Example) -> np.ndarray:
    """Returns the map as it is kept, float16 [H, W], for a mask to be drawn anew from the file."""
    outputs = predictor.predict(example.fields["image"][None])
    return defect_probability(outputs["mask"])[0].astype(np.float16)


def _write_folders(
    folder, predictor, builder, recipe, given, levels, textures, *, image_labels
) -> dict:
    origins = datasets.origins(builder)
    painted_with = run_dir.learnt_from({}, {"learnt_from": origins, "textures": textures.source})
    pseudo, synthetic, truth = (
        StudentFolder(folder / name, origins, learnt_from)
        for name, learnt_from in zip(FOLDERS, (predictor.learnt_from, painted_with, ()))
    )
    counts = {"marked": 0, "empty": 0, "left_out": 0}
    kept = {key for key, role in given.items() if role.role != roles.REFUSED}
    stems = _stems(kept)
    bar = progress.image_bar(len(kept))
    for number, example in enumerate(_examples(builder, kept)):
        role, image, stem = given[example.key], example.fields["image"], stems[example.key]
        true, known = _truth(example.fields, role), {"source": example.key}
        if role.role == roles.TEST or true["mask_source"] == manifest.KNOWN_GOOD:
            file = pseudo.add(stem, role, image, **true, **known)
            synthetic.add(stem, role, file, **true, **known)
        else:
            judged = _judge(predictor, example, levels, image_labels)
            counts[judged.pop("outcome")] += 1
            file = pseudo.add(stem, role, image, **judged, **known)
        truth.add(stem, role, file, **true, **known)
        if role.taught and role.role != roles.TEST:
            painted, mask = _paint(example, number, recipe, textures)
            source = {"mask_source": manifest.SYNTHETIC, **known}
            synthetic.add(f"{stem}_painted", role, painted, mask, **source)
        bar.add(1)
    for student_folder in (pseudo, synthetic, truth):
        student_folder.close()
    return counts


def _judge(predictor, example, levels, image_labels) -> dict:
    """The teacher's mask of an image, what became of it, and what the manifest says of it."""
    anomaly_map = _anomaly_map(predictor, example)
    score = float(anomaly_map.max())
    defective = example.fields["label"] > 0 if image_labels else score > levels.image
    if image_labels:
        levels = levels._replace(image=levels.pixel)
    mask = np.zeros(anomaly_map.shape, np.uint8)
    if defective:
        mask = pseudo_mask(anomaly_map, levels)
    marked = int(np.count_nonzero(mask == 1))
    left_out = bool(defective and not marked)
    return {
        "outcome": "left_out" if left_out else "marked" if marked else "empty",
        "mask": mask,
        "mask_source": manifest.PSEUDO,
        "anomaly_map": anomaly_map,
        "use": not left_out,
        "reason": NO_REGION if left_out else None,
        "score": score,
        "levels": levels._asdict(),
        "defect_pixels": marked,
        "reviewed": None,
    }


def _truth(fields, role: roles.Role) -> dict:
    """Returns the true mask of an image, and what the manifest says of it.

    An image whose defect no mask shows teaches nothing, but whether it is rejected can be measured.
    """
    defective, mask = bool(fields["label"] > 0), fields["mask"][..., 0]
    mask = judged_mask(np.where(mask == IGNORE, IGNORE, mask > 0).astype(np.uint8), defective)
    unknown = defective and not is_defect(mask).any()
    known_good = role.role in (roles.TEACHER, roles.CALIBRATION)
    return {
        "mask": mask,
        "mask_source": manifest.KNOWN_GOOD if known_good else manifest.GROUND_TRUTH,
        "defective": defective,
        "use": role.role == roles.TEST or not unknown,
        "reason": NO_MASK if unknown and role.role != roles.TEST else None,
    }


def _paint(example, number, recipe, textures) -> tuple[np.ndarray, np.ndarray]:
    """Returns a good image with a painted defect, and the defect's mask."""
    images, name = example.fields["image"][None], example.fields["file_name"].decode()
    foregrounds = foreground_masks(
        images, [name], dataset=recipe.dataset, mask_dir=recipe.foreground_dir
    )
    painted, masks = with_anomalies(
        images, foregrounds, np.array([number]), seed=PAINTED_SEED, textures=textures
    )
    return painted[0], masks[0, ..., 0]

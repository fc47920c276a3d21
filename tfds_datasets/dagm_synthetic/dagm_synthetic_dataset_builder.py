"""Ten procedural textures with defects, modelled on DAGM 2007 and rendered without any download."""

import collections
import concurrent.futures
import dataclasses
import os
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow_datasets as tfds

from tfds_datasets.dagm_synthetic import scene, textures
from tfds_datasets.dagm_synthetic.fields import FULL_SIZE
from tfds_datasets.features import assign_folds, example_features, make_example, mask_feature

SMALL_SIZE = 128  # px
DATA_SEED = 2007
# (images, defective ones) of each class, as in DAGM 2007.
COUNTS = {
    "train": [(575, n) for n in (79, 66, 66, 82, 70, 83)] + [(1150, 150)] * 4,
    "test": [(575, n) for n in (71, 84, 84, 68, 80, 67)] + [(1150, 150)] * 4,
}

# Classes that are drawn otherwise than at first; the images of the others are as they were.
NEWER = {
    class_id: {"version": tfds.core.Version("1.1.0"), "release_notes": {"1.1.0": change}}
    for class_id, change in (
        (2, "Class 2: thinner arcs, through which the brightest streaks show."),
        (6, "Class 6: a coarser weave, and white grains within the band."),
    )
}


@dataclasses.dataclass(kw_only=True)
class DagmSyntheticConfig(tfds.core.BuilderConfig):
    """One texture at one image size."""

    class_id: int = 1
    size: int = FULL_SIZE


class Builder(tfds.core.GeneratorBasedBuilder):
    """Renders the images on all cores while TFDS writes them; the order is always the same."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Ten classes at 512x512 and 128x128, exact and weak masks."}
    BUILDER_CONFIGS = [
        DagmSyntheticConfig(name=f"class_{n}{suffix}", class_id=n, size=size, **NEWER.get(n, {}))
        for suffix, size in (("", FULL_SIZE), ("_small", SMALL_SIZE))
        for n in textures.TEXTURES
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=example_features(defect_types=["defect"], extra={"weak_mask": mask_feature()}),
            license="CC0-1.0",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        return {split: self._generate_examples(split) for split in scene.SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict]]:
        config = self.builder_config
        count, _ = COUNTS[split][config.class_id - 1]
        defective = defective_indices(config.class_id, split)
        names = [f"{split}_{index:04d}.png" for index in range(count)]
        labels = {name: int(index in defective) for index, name in enumerate(names)}
        folds = assign_folds(labels)

        def example(index: int) -> tuple[str, dict]:
            name = names[index]
            rendered = scene.render(
                config.class_id,
                index,
                split=split,
                size=config.size,
                seed=DATA_SEED,
                defective=bool(labels[name]),
            )
            return make_example(name, **rendered, label=labels[name], fold=folds[name])

        yield from map_ahead(example, range(count), num_threads=os.cpu_count() or 1)


def defective_indices(class_id: int, split: str, *, seed: int = DATA_SEED) -> frozenset[int]:
    """Returns which images of a split show a defect: a seeded draw, as many as DAGM 2007 has."""
    count, num_defective = COUNTS[split][class_id - 1]
    key = (seed, class_id, scene.SPLITS.index(split))
    shuffled = np.random.Generator(np.random.PCG64(key)).permutation(count)
    return frozenset(shuffled[:num_defective].tolist())


def map_ahead(function, items: Iterable, *, num_threads: int) -> Iterator:
    """`map` on threads, in order, at most twice as many results waiting as there are threads."""
    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
        waiting = collections.deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * num_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

"""Tells where a module of version 0.1.0 lies now, to whoever still imports it from there."""

from importlib.abc import MetaPathFinder

MOVED = {
    "zoo.augment": "zoo.data.augment",
    "zoo.calibration": "zoo.evaluation.calibration",
    "zoo.callbacks": "zoo.training.callbacks",
    "zoo.datasets": "zoo.data.datasets",
    "zoo.evaluate": "zoo.evaluation.evaluate",
    "zoo.input_pipeline": "zoo.data.input_pipeline",
    "zoo.maps": "zoo.saved_maps.maps",
    "zoo.measure": "zoo.evaluation.evaluate_run",
    "zoo.module_import": "zoo.modules.import_module",
    "zoo.nvidia_checkpoint": "zoo.modules.import_nvidia",
    "zoo.optimizers": "zoo.training.optimizers",
    "zoo.pictures": "zoo.visualization.pictures",
    "zoo.predict": "zoo.prediction.files",
    "zoo.predictor": "zoo.prediction.predictor",
    "zoo.recipe": "zoo.recipes.recipe",
    "zoo.samples": "zoo.evaluation.samples",
    "zoo.schedules": "zoo.training.schedules",
    "zoo.statistics": "zoo.data.statistics",
    "zoo.summary": "zoo.results.summary",
    "zoo.threshold_rules": "zoo.evaluation.thresholds and zoo.recipes.threshold_rules",
    "zoo.tiling": "zoo.prediction.tiling",
    "zoo.train": "zoo.training.train",
    "zoo.update": "zoo.training.update",
    "zoo.verdict": "zoo.report.verdict",
}


class MovedFinder(MetaPathFinder):
    """Finds nothing, and raises ModuleNotFoundError for what has moved; asked after all others."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname in MOVED:
            # Without `name`: `from zoo import ...` would put an error of its own in its place.
            raise ModuleNotFoundError(f"{fullname} has moved: import {MOVED[fullname]} instead")
        return None

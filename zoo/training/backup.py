"""Keeps what a training that was broken off needs to go on."""

import json
import pathlib
import shutil
import time

import keras
from absl import logging

from builders.runs.atomic import replacing

_STATE_FILE = "state.json"
_MODEL_FILE = "model.weights.h5"
_BEST_FILE = "best.weights.h5"


class Backup(keras.callbacks.Callback):
    """Saves everything a resumed run needs after each epoch, and the best weights with it.

    A backup is one folder that appears whole: weights, optimizer slots, best weights, history, and
    what the other callbacks have counted. It must be the last callback, so that the others have
    finished their epoch.

    Args:
      directory: where the backups are kept.
      callbacks: other callbacks whose counters belong to the backup, by a name of ours.
      monitor: key of the epoch's figures that is highest for the best weights; of equals the one
        with the lowest validation loss is the best, since few images have few figures. `val_loss`
        is lowest for them.
    """

    _COUNTERS = ("best", "best_epoch", "wait", "cooldown_counter", "stopped_epoch")

    def __init__(self, directory, callbacks: dict[str, keras.callbacks.Callback], monitor: str):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.callbacks = callbacks
        self.monitor = monitor
        self.history: list[dict] = []
        self.stopped = False
        self._counters: dict[str, dict] = {}
        self._started = 0.0

    @property
    def best_epoch(self) -> int | None:
        """Index in `history` of the best epoch so far; the first of those equal in all."""
        sign = -1 if self.monitor == "val_loss" else 1
        values = [(sign * row[self.monitor], -row.get("val_loss", 0.0)) for row in self.history]
        return values.index(max(values)) if values else None

    def restore(self, model: keras.Model) -> int:
        """Loads the newest backup, if there is one, into a built and compiled model.

        Returns:
          The epoch to go on with.
        """
        newest = self._newest()
        if newest is None:
            return 0
        logging.info("Resuming from %s.", newest)
        state = json.loads((newest / _STATE_FILE).read_text())
        model.load_weights(newest / _MODEL_FILE)
        self.history, self.stopped = state["history"], state["stopped"]
        self._counters = state["counters"]
        for variable, value in zip(_seed_states(model), state.get("seed_states", [])):
            variable.assign(value)
        return len(self.history)

    def load_best(self, model: keras.Model) -> None:
        """Loads the weights of the best epoch."""
        model.load_weights(self._newest() / _BEST_FILE)

    def on_train_begin(self, logs=None):
        # The other callbacks reset themselves when training begins, just before this one.
        for name, counters in self._counters.items():
            for key, value in counters.items():
                setattr(self.callbacks[name], key, value)
        self._started = time.perf_counter() - (self.history[-1]["seconds"] if self.history else 0)

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row["seconds"] = time.perf_counter() - self._started
        self.history.append(row)
        before = self._newest()
        self.directory.mkdir(parents=True, exist_ok=True)
        with replacing(self.directory / f"epoch_{epoch + 1:05d}") as folder:
            folder.mkdir()
            self.model.save_weights(folder / _MODEL_FILE)
            if self.best_epoch == len(self.history) - 1:
                shutil.copy(folder / _MODEL_FILE, folder / _BEST_FILE)
            else:
                shutil.copy(before / _BEST_FILE, folder / _BEST_FILE)
            counters = {
                name: {
                    key: _plain(getattr(callback, key))
                    for key in self._COUNTERS
                    if getattr(callback, key, None) is not None
                }
                for name, callback in self.callbacks.items()
            }
            state = {
                "history": self.history,
                "stopped": bool(self.model.stop_training),
                "counters": counters,
                "seed_states": [
                    keras.ops.convert_to_numpy(variable).tolist()
                    for variable in _seed_states(self.model)
                ],
            }
            (folder / _STATE_FILE).write_text(json.dumps(state))
        for old in self.directory.glob("epoch_*"):
            if old != self._newest():
                shutil.rmtree(old)

    def _newest(self) -> pathlib.Path | None:
        return max(self.directory.glob("epoch_*"), default=None)


def _seed_states(model: keras.Model) -> list[keras.Variable]:
    """Returns the states of what draws random numbers, as dropout does.

    Files of weights leave them out.
    """
    weights = {id(variable) for variable in [*model.weights, *model.optimizer.variables]}
    return [variable for variable in model.variables if id(variable) not in weights]


def _plain(value):
    """Returns a counter as JSON holds it."""
    return value if isinstance(value, bool | int) else float(value)

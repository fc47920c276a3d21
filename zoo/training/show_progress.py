"""Shows how far a whole training is, and how long it will still take."""

import shutil
import sys
import time

import keras

MEASURED_STEPS = 5  # of which the first estimate is made; the step before them compiles
SECONDS = 30.0  # from one line to the next where no terminal shows a moving bar
FIGURES = ("loss", "val_loss", "val_iou", "val_balanced_accuracy")


class ShowProgress(keras.callbacks.Callback):
    """Prints one moving line in a terminal, and elsewhere a line every half a minute.

    Every epoch leaves a line with its figures. The time left is that of all epochs, at the pace of
    the steps since this process began; a training that stops early needs less.

    Args:
      epochs: of the whole training.
      steps: batches in an epoch.
    """

    def __init__(self, epochs: int, steps: int):
        super().__init__()
        self.epochs, self.steps = epochs, steps
        self.moving = sys.stdout.isatty()
        self.epoch = self.first_epoch = None
        self.done = 0  # steps of this process
        self.started = self.shown = None  # of the second step; of the last line

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        if self.first_epoch is None:
            self.first_epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        now = time.monotonic()
        if self.started is None:
            self.started = self.shown = now
        elif self.done == 1 + MEASURED_STEPS:
            self._print(
                f"time    {self.time_left()} on this machine, by the pace of the first steps"
            )
        if self.moving:
            self._show(self._line(batch, logs or {}), end="\r")
        elif now - self.shown >= SECONDS:
            self._print(self._line(batch, logs or {}))

    def on_epoch_end(self, epoch, logs=None):
        self._print(
            f"epoch {epoch + 1}/{self.epochs}  {_figures(logs or {})}  {self.time_left()} left"
        )

    def time_left(self) -> str:
        """Returns the rest of the training in words, such as "about 12 min"."""
        if self.done < 2:
            return "unknown time"
        pace = (time.monotonic() - self.started) / (self.done - 1)
        rest = (self.epochs - self.first_epoch) * self.steps - self.done
        return f"about {in_words(pace * max(rest, 0))}"

    def _line(self, batch, logs) -> str:
        share = (self.epoch * self.steps + batch + 1) / (self.epochs * self.steps)
        bar = f"[{'=' * round(20 * share):20}] {share:4.0%}"
        return (
            f"{bar}  epoch {self.epoch + 1}/{self.epochs}  loss {float(logs.get('loss', 0)):.3f}  "
            f"{self.time_left()} left"
        )

    def _print(self, line: str) -> None:
        self.shown = time.monotonic()
        self._show(line, end="\n")

    def _show(self, line: str, end: str) -> None:
        if self.moving:
            width = shutil.get_terminal_size().columns - 1
            line = line[:width].ljust(width)
        print(line, end=end, flush=True)


def in_words(seconds: float) -> str:
    """Returns a duration for a reader: "40 s", "12 min" or "3 h 20 min"."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _figures(logs) -> str:
    return "  ".join(f"{name} {float(logs[name]):.3f}" for name in FIGURES if name in logs)

"""What a training prints while it runs."""

import pytest

from zoo.training import show_progress
from zoo.training.show_progress import ShowProgress, in_words


@pytest.mark.parametrize(
    "seconds, words",
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5000, "83 min"), (5400, "1 h 30 min")],
)
def test_durations(seconds, words):
    assert in_words(seconds) == words


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


def train(callback, clock, *, epochs, steps, first_epoch=0, seconds=10.0):
    for epoch in range(first_epoch, epochs):
        callback.on_epoch_begin(epoch)
        for batch in range(steps):
            clock.now += seconds if epoch > first_epoch or batch else 100.0  # the first compiles
            callback.on_train_batch_end(batch, {"loss": 0.5})
        callback.on_epoch_end(epoch, {"loss": 0.5, "val_iou": 0.25, "other": 1.0})


@pytest.mark.parametrize("first_epoch, left", [(0, "about 4 min"), (1, "about 2 min")])
def test_a_file_gets_a_line_now_and_then(first_epoch, left, monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(show_progress, "time", clock)
    train(ShowProgress(3, 10), clock, epochs=3, steps=10, first_epoch=first_epoch)
    lines = capsys.readouterr().out.splitlines()
    assert f"time    {left} on this machine, by the pace of the first steps" in lines[:4]
    ends = [line for line in lines if line.startswith("epoch")]
    assert len(ends) == 3 - first_epoch
    assert ends[-1] == "epoch 3/3  loss 0.500  val_iou 0.250  about 0 s left"
    moving = [line for line in lines if line.startswith("[")]
    assert 2 <= len(moving) <= 3 * (3 - first_epoch)  # every 30 s, not every step
    assert all("loss 0.500" in line and "left" in line for line in moving)


def test_a_terminal_of_80_columns_sees_one_moving_line(monkeypatch, capsys):
    clock = Clock()
    monkeypatch.setattr(show_progress, "time", clock)
    monkeypatch.setenv("COLUMNS", "80")
    callback = ShowProgress(2, 6)
    callback.moving = True
    train(callback, clock, epochs=2, steps=6)
    shown = capsys.readouterr().out
    assert shown.count("\n") == 3  # the estimate and two epochs
    assert all(len(part) < 80 for line in shown.split("\n") for part in line.split("\r"))

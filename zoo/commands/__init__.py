"""The commands of `python -m zoo`, and what its help says of them."""

import pathlib

from zoo.commands import evaluation, prediction, pseudo_masks, training
from zoo.commands.command_line import Commands

COMMANDS = Commands()
for _room in (prediction, training, evaluation, pseudo_masks):
    COMMANDS.update(_room.COMMANDS)
USAGE = pathlib.Path(__file__).with_name("usage.txt").read_text()

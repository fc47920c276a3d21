"""The commands of `python -m zoo`, and what its help says of them."""

import pathlib
from collections.abc import Iterator

from zoo.commands import evaluation, prediction, pseudo_masks, training
from zoo.commands.command_line import Commands
from zoo.commands.completion import script

COMMANDS = Commands()
for _room in (prediction, training, evaluation, pseudo_masks):
    COMMANDS.update(_room.COMMANDS)


@COMMANDS.add("completion", "shell", word="shell")
def completion(options) -> Iterator[str]:
    from export.__main__ import COMMANDS as EXPORTING

    commands = {**COMMANDS, **EXPORTING}
    yield script(options.shell, {name: each.flags for name, each in commands.items()})


USAGE = pathlib.Path(__file__).with_name("usage.txt").read_text()

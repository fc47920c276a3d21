"""What commands and their flags have in common: who reads which, the checks, the help."""

import re
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import NamedTuple

from absl import app, flags

INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended


class Command(NamedTuple):
    """A command.

    Attributes:
      run: takes an object with the values of its flags, yields lines to print.
      flags: the names of the flags that it reads; it sees no others.
      word: the flag that a word behind the command sets; None where there may be none.
      after_interrupt: how to go on after Ctrl-C.
    """

    run: Callable[..., Iterator[str]]
    flags: tuple[str, ...]
    word: str | None = None
    after_interrupt: str = ""


class Commands(dict[str, Command]):
    """The commands of a command line by name.

    Attributes:
      program: how it is called, such as "python -m zoo".
    """

    def __init__(self, program: str = "python -m zoo"):
        super().__init__()
        self.program = program

    def add(self, name: str, *flag_names: str, word: str | None = None, after_interrupt: str = ""):
        """Makes the function below it the command `name`, which reads these flags alone."""

        def register(run):
            flag_names_once = tuple(dict.fromkeys(flag_names))
            self[name] = Command(run, flag_names_once, word, after_interrupt)
            return run

        return register

    def options(self, name: str) -> types.SimpleNamespace:
        """The values of the flags that a command reads, and of which flags they were `given`.

        Raises:
          ValueError: a flag was given that it would not read.
        """
        known = dict.fromkeys(flag for command in self.values() for flag in command.flags)
        given = [flag for flag in known if flags.FLAGS[flag].present]
        for flag in given:
            if flag not in self[name].flags:
                readers = [other for other, command in self.items() if flag in command.flags]
                raise ValueError(
                    f"Command {name} does not read the flag --{flag}, which belongs to "
                    f"{', '.join(readers)}. Its own flags: {self.program} {name} --help"
                )
        values = {flag: flags.FLAGS[flag].value for flag in self[name].flags}
        return types.SimpleNamespace(given=given, **values)


def parse(argv: list[str], commands: Commands, usage: str) -> list[str]:
    """Parses the flags as absl does, but answers `COMMAND --help` by that command's flags alone."""
    word = next((word for word in argv[1:] if not word.startswith("-")), None)
    if word in commands and {"--help", "-help"} & set(argv):
        print(_help_of(word, commands[word], usage))
        sys.exit()
    return app.parse_flags_with_usage(argv)


def _help_of(name, command, usage) -> str:
    """Returns the lines of `usage` about a command, and its flags."""
    lines = re.search(rf"^  {name}\s.*\n(?:   .*\n)*", usage, re.MULTILINE)[0].rstrip()
    shown = flags.FlagValues()
    for flag in command.flags:
        shown[flag] = flags.FLAGS[flag]
    return f"{lines}\n\n{shown.get_help(include_special_flags=False) or '  It has no flags.'}"


def run(argv: list[str], commands: Commands, usage: str) -> int:
    """Runs the command that `argv` names, prints its lines, and returns its exit status."""
    words = argv[1:]
    if len(words) == 2 and words[0] in commands and commands[words[0]].word:
        flag = flags.FLAGS[commands[words[0]].word]
        flag.parse(words.pop())
        flag.present += 1
    if len(words) != 1 or words[0] not in commands:
        print(usage, file=sys.stderr)
        if words:
            print(
                f"\nThe command must be one of {', '.join(commands)}. Received: {' '.join(words)}",
                file=sys.stderr,
            )
        return 2
    try:
        for line in commands[words[0]].run(commands.options(words[0])):
            print(line, flush=True)
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        hint = commands[words[0]].after_interrupt
        print(f"\nstopped{f': {hint}' if hint else ''}", file=sys.stderr)
        return INTERRUPTED
    return 0


def until_interrupted(name: str, address: str) -> Iterator[str]:
    """Says where a page is served, and waits for Ctrl-C."""
    yield f"{name:7} {address}"
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        yield "stopped"

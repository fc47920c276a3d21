"""Completion of commands and flags for shells."""

from collections.abc import Mapping

SHELLS = ("bash", "zsh", "fish")
_BASH = """_defect_zoo() {
  local word=${COMP_WORDS[COMP_CWORD]} words
  case "${COMP_WORDS[1]}" in
%s
    *) words="%s" ;;
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) [ "$COMP_CWORD" -gt 1 ] || COMPREPLY=($(compgen -W "%s" -- "$word")) ;;
  esac
}
complete -o default -o nospace -F _defect_zoo defect-zoo"""


def script(shell: str, flags: Mapping[str, tuple[str, ...]]) -> str:
    """Returns a script that completes commands and their flags.

    Args:
      shell: one of `SHELLS`.
      flags: the names of the flags of each command.

    Raises:
      ValueError: the shell is unknown.
    """
    if shell not in SHELLS:
        raise ValueError(f"Argument `shell` must be one of {', '.join(SHELLS)}. Received: {shell}")
    if shell == "fish":
        lines = [f"complete -c defect-zoo -n __fish_use_subcommand -a {' '.join(map(repr, flags))}"]
        for command, names in flags.items():
            lines += [
                f"complete -c defect-zoo -n '__fish_seen_subcommand_from {command}' -l {name}"
                for name in names
            ]
        return "\n".join(lines)
    cases = "\n".join(
        f'    {command}) words="{" ".join(f"--{name}=" for name in names)}" ;;'
        for command, names in flags.items()
    )
    commands = " ".join(flags)
    bash = _BASH % (cases, "--help --version", commands)
    return bash if shell == "bash" else f"autoload -U +X bashcompinit && bashcompinit\n{bash}"

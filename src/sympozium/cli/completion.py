"""Completion of command lines in bash, zsh and fish: `sympozium completion SHELL` prints what a shell's start-up file reads.

The scripts ask `sympozium __complete -- WORD...`, which no help lists and whose last word is the one that is being typed;
the answer is lines of `value TAB help`. Names come from the cluster within half a second or not at all, and nothing is ever
said on standard error: a completion that complains is worse than none. typer's own scripts are not used, since the one
for zsh evaluates what the program prints, and here that would be what a cluster's names are.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from sympozium.cli.failures import EXIT_USAGE, CommandError

SHELLS: Final = ("bash", "zsh", "fish")
_WORD: Final = re.compile(r"^[A-Za-z0-9._/:=@+-]+$")

KIND, NAME, NAMESPACE = "kind", "name", "namespace"
SOURCES: Final[Mapping[tuple[str, str], str]] = {
    ("get", "kind"): KIND, ("get", "names"): NAME, ("describe", "kind"): KIND, ("describe", "names"): NAME,
    ("delete", "kind"): KIND, ("delete", "names"): NAME,
    ("run", "instance"): "sympoziuminstances", ("init", "instance"): "sympoziuminstances",
    ("logs", "name"): "agentruns", ("stop", "names"): "agentruns", ("resume", "names"): "agentruns",
    ("explain", "name"): "agentruns", ("backtest", "instance"): "sympoziuminstances",
    ("audit show", "name"): "agentruns", ("audit export", "name"): "agentruns",
    ("approvals show", "name"): "approvalrequests", ("approvals approve", "name"): "approvalrequests",
    ("approvals deny", "name"): "approvalrequests",
    ("pack enable", "name"): "packs", ("pack disable", "name"): "personapacks", ("init", "pack"): "packs",
}  # fmt: skip
"""What a parameter of a command is the name of; `namespace` is one everywhere."""
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {"shell": SHELLS, "scope": ("once", "run")}

_BASH = r"""_sympozium() {
    local IFS=$'\n' line
    COMPREPLY=()
    while IFS=$'\t' read -r line _; do
        COMPREPLY+=("$line")
    done < <(sympozium __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _sympozium sympozium
"""
_ZSH = r"""#compdef sympozium
_sympozium() {
    local line value help
    local -a values shown
    while IFS=$'\t' read -r value help; do
        values+=("$value")
        shown+=("$value${help:+  -- $help}")
    done < <(sympozium __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( $#values )); then compadd -d shown -- "${values[@]}"; else _files; fi
}
compdef _sympozium sympozium
"""
_FISH = r"""function __sympozium_complete
    set -l words (commandline -opc) (commandline -ct)
    sympozium __complete -- $words[2..-1] 2>/dev/null
end
complete -c sympozium -f -a '(__sympozium_complete)'
complete -c sympozium -n 'test (count (__sympozium_complete)) -eq 0' -F
"""


def script(shell: str) -> str:
    """Raises CommandError for another shell."""
    found = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}.get(shell)
    if found is None:
        raise CommandError(f"{shell}: choose one of {', '.join(SHELLS)}", EXIT_USAGE)
    return found


def answer(root: Any, words: list[str]) -> int:
    """Print what the scripts read; the exit code."""
    for value, help_text in complete(root, words):
        print(f"{value}\t{help_text}")
    return 0


def complete(root: Any, words: list[str]) -> list[tuple[str, str]]:
    """(value, help) of what may stand in the place of the last word. Never raises for what was typed."""
    *before, current = words or [""]
    line = _Line(root)
    for word in before:
        line.take(word)
    if line.waiting is not None:
        return _values(line, line.waiting, current)
    if current.startswith("-"):
        return [
            (name, " ".join((option.help or "").split()))
            for option in line.options()
            for name in (*option.opts, *option.secondary_opts)
            if name.startswith(current) and name.startswith("--")
        ]
    commands = getattr(line.command, "commands", None)
    if commands is not None:
        return [
            (name, command.get_short_help_str())
            for name, command in commands.items()
            if name.startswith(current) and not command.hidden
        ]
    argument = line.argument()
    return _values(line, argument, current) if argument is not None else []


class _Line:
    """What was typed before: the command that it leads to, and the values of its parameters.

    Not by the commands' own parser, which converts values and loads pydantic for it: here a word is a word.
    """

    def __init__(self, root: Any) -> None:
        self.command = root
        self.path: list[str] = []
        self.params: dict[str, str] = {}
        self.waiting: Any = None
        """The option whose value comes next."""
        self._arguments = 0

    def take(self, word: str) -> None:
        commands = getattr(self.command, "commands", {})
        if self.waiting is not None:
            self.params[self.waiting.name], self.waiting = word, None
        elif word.startswith("-") and word != "-":
            self._take_option(word)
        elif word in commands:
            self.command = commands[word]
            self.path.append(word)
        elif (argument := self.argument()) is not None:
            self.params.setdefault(argument.name, word)
            self._arguments += 1

    def _take_option(self, word: str) -> None:
        name, _, value = word.partition("=")
        option = next((o for o in self.options() if name in (*o.opts, *o.secondary_opts)), None)
        if option is None or option.is_flag:
            return
        if value:
            self.params[option.name] = value
        else:
            self.waiting = option

    def options(self) -> list[Any]:
        return [p for p in self.command.params if p.param_type_name == "option" and not p.hidden]

    def argument(self) -> Any:
        """The one that the next word is for; the last one may take many."""
        arguments = [p for p in self.command.params if p.param_type_name == "argument"]
        if self._arguments < len(arguments):
            return arguments[self._arguments]
        return arguments[-1] if arguments and arguments[-1].nargs == -1 else None


def _values(line: _Line, parameter: Any, incomplete: str) -> list[tuple[str, str]]:
    """The values of a parameter, as far as they can be known."""
    if parameter.name in _WORDS:
        found: list[str] = list(_WORDS[parameter.name])
    elif source := _source(line, parameter.name):
        from sympozium.cli.completing import names

        found = names(source, line.params)
    else:
        return []
    return [
        (value, "") for value in sorted(set(found)) if value.startswith(incomplete) and _WORD.match(value)
    ]


def _source(line: _Line, name: str) -> str:
    if name == "namespace":
        return NAMESPACE
    keys = (" ".join(line.path), line.path[-1] if line.path else "")
    return next((SOURCES[key, name] for key in keys if (key, name) in SOURCES), "")

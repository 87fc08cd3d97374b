"""How a command fails: an exit code and one line."""

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_RUN_FAILED = 10
EXIT_RUN_CANCELLED = 11


class CommandError(Exception):
    """The message is for a person, in one line, with the cure."""

    def __init__(self, message: str, code: int = EXIT_ERROR) -> None:
        super().__init__(message)
        self.code = code


def one_line(text: str) -> str:
    """Server messages may have several lines; an error of ours has one."""
    return "; ".join(part.strip() for part in text.strip().splitlines() if part.strip())

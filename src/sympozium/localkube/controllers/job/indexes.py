"""Sets of completion indexes as Kubernetes writes them: `0,2-4`."""

from collections.abc import Iterable


def parse(text: str) -> set[int]:
    """Raises ValueError for what is not a list of numbers and ranges."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def checked(text: str, completions: int) -> set[int]:
    """`successPolicy`'s indexes. Raises ValueError, with the API server's words, for what is not in order."""
    found: set[int] = set()
    last = -1
    if not text:
        return found
    for part in text.split(","):
        ends = part.split("-")
        if len(ends) > 2:
            raise ValueError(
                f'the fragment "{part}" violates the requirement that an index interval can have at most two parts'
                " separated by '-'"
            )
        first = _index(ends[0])
        if first >= completions:
            raise ValueError(f'too large index: "{ends[0]}"')
        if last >= first:
            raise ValueError(f"non-increasing order, previous: {last}, current: {first}")
        last = first
        if len(ends) == 2:
            last = _index(ends[1])
            if last >= completions:
                raise ValueError(f'too large index: "{ends[1]}"')
            if first >= last:
                raise ValueError(f"non-increasing order, previous: {first}, current: {last}")
        found.update(range(first, last + 1))
    return found


def _index(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f'cannot convert string to integer for index: "{text}"')
    return int(text)


def render(indexes: Iterable[int]) -> str:
    """Two neighbours are written `0,1`, three or more as a range."""
    runs: list[list[int]] = []
    for index in sorted(set(indexes)):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(
        f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(str(index) for index in run) for run in runs
    )

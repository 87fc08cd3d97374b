"""Restarts and probes: the arithmetic."""

import pytest

from sympozium.node import probes
from sympozium.node.container import Backoff, _go
from sympozium.node.runtime import Exit, StartError


def test_backoff_doubles_and_forgets() -> None:
    backoff = Backoff()
    assert [backoff.delay(1.0) for _ in range(8)] == [0, 10, 20, 40, 80, 160, 300, 300]
    assert backoff.delay(600.0) == 0
    assert backoff.delay(1.0) == 10


@pytest.mark.parametrize(("seconds", "text"), [(10, "10s"), (160, "2m40s"), (300, "5m0s")])
def test_go_durations(seconds: float, text: str) -> None:
    assert _go(seconds) == text


@pytest.mark.parametrize(("code", "number"), [(0, 0), (1, 0), (128, 0), (137, 9), (143, 15), (255, 0)])
def test_signal_of_an_exit(code: int, number: int) -> None:
    assert Exit(code, executed=True).signal == number


def test_thresholds_count_in_a_row() -> None:
    counter = probes.Counter({"failureThreshold": 2, "successThreshold": 2})
    assert [counter.add(ok) for ok in (True, True, False, True, False, False, False)] == [
        None, True, None, None, None, False, False,
    ]  # fmt: skip


def test_ports_by_name() -> None:
    container = {"name": "main", "ports": [{"name": "http", "containerPort": 8080}]}
    assert probes.port_of("http", container) == 8080
    assert probes.port_of(80, container) == probes.port_of("80", container) == 80
    with pytest.raises(StartError, match="no port named other"):
        probes.port_of("other", container)

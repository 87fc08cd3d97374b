"""Trace contexts: https://www.w3.org/TR/trace-context/"""

import pytest

from sympozium.telemetry import tracecontext
from sympozium.telemetry.tracecontext import TraceContext

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def test_what_is_written_is_read() -> None:
    for context in (TraceContext(TRACE, SPAN), TraceContext(TRACE, SPAN, sampled=False), tracecontext.new()):
        assert tracecontext.parse(str(context)) == context


@pytest.mark.parametrize(
    "text",
    [
        None, "", "00", f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01-more", f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n", f" 00-{TRACE}-{SPAN}-01", f"00-{TRACE[:-1]}g-{SPAN}-01",
    ],
)  # fmt: skip
def test_what_has_another_form_is_absent(text: str | None) -> None:
    assert tracecontext.parse(text) is None


def test_a_later_version_may_say_more() -> None:
    assert tracecontext.parse(f"01-{TRACE}-{SPAN}-03-more") == TraceContext(TRACE, SPAN)


def test_derived_ids_depend_on_their_parts_alone() -> None:
    assert tracecontext.derived("a", "b") == tracecontext.derived("a", "b")
    assert len({tracecontext.derived(*parts) for parts in (("a", "b"), ("ab",), ("a", "c"))}) == 3
    assert len(tracecontext.derived_trace("a")) == 32


def test_a_share_of_traces_is_kept_and_always_the_same() -> None:
    ids = [tracecontext.derived_trace(str(number)) for number in range(1000)]
    kept = [one for one in ids if tracecontext.keeps(one, 0.25)]
    assert 200 < len(kept) < 300
    assert [one for one in ids if tracecontext.keeps(one, 0.5) and one in kept] == kept
    assert all(tracecontext.keeps(one, 1.0) and not tracecontext.keeps(one, 0.0) for one in ids)

"""One-time links."""

from sympozium.server.signin.tickets import LIFE, Tickets


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_a_ticket_is_good_once_and_for_a_minute() -> None:
    clock = Clock()
    tickets = Tickets(clock)
    ticket, expires = tickets.issue("token", "me")
    assert expires == clock.time + LIFE
    assert tickets.redeem(ticket) == "token"
    assert tickets.redeem(ticket) is None
    late, _ = tickets.issue("token", "me")
    clock.time += LIFE
    assert tickets.redeem(late) is None


def test_a_restarted_server_knows_no_ticket_from_before() -> None:
    ticket, _ = Tickets().issue("token", "me")
    assert Tickets().redeem(ticket) is None


def test_one_who_asks_for_many_loses_their_own_oldest_and_nobody_elses() -> None:
    tickets = Tickets()
    other, _ = tickets.issue("other's", "other")
    mine = [tickets.issue("mine", "me")[0] for _ in range(12)]
    assert [tickets.redeem(ticket) for ticket in mine] == [None, None, *["mine"] * 10]
    assert tickets.redeem(other) == "other's"


def test_memory_is_bounded_whoever_asks() -> None:
    tickets = Tickets()
    made = [tickets.issue("t", str(number))[0] for number in range(1200)]
    assert sum(tickets.redeem(ticket) is not None for ticket in made) == 1000


def test_nothing_of_the_token_is_in_a_ticket() -> None:
    tickets = Tickets()
    first, second = tickets.issue("token", "me")[0], tickets.issue("token", "me")[0]
    assert first != second
    assert len(first) >= 43

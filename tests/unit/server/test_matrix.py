"""Every route has its row in the matrix of who may do what, and every row its route."""

from cluster.server_matrix import MATRIX, PEOPLE
from sympozium.server.app import openapi

METHODS = ("get", "post", "put", "patch", "delete")


def test_every_route_has_a_row() -> None:
    routes = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, operations in openapi()["paths"].items()
        for method in METHODS
        if method in operations
    }
    missing, gone = sorted(routes - MATRIX.keys()), sorted(MATRIX.keys() - routes)
    assert missing == [], (
        "routes of which nobody has said who may use them: add a row for each to tests/cluster/server_matrix.py, then "
        "run tests/cluster/test_server_matrix.py"
    )
    assert gone == [], "rows of routes that are no more, in tests/cluster/server_matrix.py"


def test_every_row_says_something_of_everybody() -> None:
    for route, row in MATRIX.items():
        answers = row.answers.split()
        assert len(answers) == len(PEOPLE), route
        assert set(answers) <= {"ok", "no", "who", "not"}, route

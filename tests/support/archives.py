"""Archives made and read by the standard library, to hold servers against."""

from __future__ import annotations

import io
import tarfile
import zipfile

Members = list[tuple[str, bytes]]

EXTENSIONS = [".tar", ".tgz", ".tar.gz", ".zip"]


def pack(extension: str, members: Members) -> bytes:
    """An archive of the format of an extension."""
    data = io.BytesIO()
    if extension == ".zip":
        with zipfile.ZipFile(data, "w") as packed:
            for name, content in members:
                packed.writestr(name, content)
        return data.getvalue()
    with tarfile.open(fileobj=data, mode="w" if extension == ".tar" else "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def unpack(extension: str, data: bytes) -> Members:
    """The members of an archive, in stored order."""
    if extension == ".zip":
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            return [(info.filename, packed.read(info)) for info in packed.infolist()]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(info.name, tar.extractfile(info).read()) for info in tar]  # type: ignore[union-attr]

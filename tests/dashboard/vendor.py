"""
The modules of others that the dashboard uses: `python -m tests.dashboard.vendor` fetches them from npm anew.

They lie in `app/static/vendor/` exactly as their packages have them, with their licences; VENDOR.lock says what each is
and its hash. Change a version here, run it, look at the difference.
"""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent.parent.parent / "app" / "static" / "vendor"
LOCK = FOLDER / "VENDOR.lock"
TITLE = "# package version licence file sha256"


class Package(NamedTuple):
    """One package: what is taken from it, under which name, and where its licence stands."""

    name: str
    version: str
    licence: str
    files: dict[str, str]


PACKAGES = (
    Package("preact", "11.2.0", "MIT", {"dist/preact.mjs": "preact.mjs", "hooks/dist/hooks.mjs": "hooks.mjs"}),
    Package("@preact/signals-core", "1.14.5", "MIT", {"dist/signals-core.mjs": "signals-core.mjs"}),
    Package("@preact/signals", "2.11.4", "MIT", {"dist/signals.mjs": "signals.mjs"}),
    Package("htm", "3.1.1", "Apache-2.0", {"dist/htm.mjs": "htm.mjs"}),
    Package("marked", "18.2.1", "MIT", {"lib/marked.esm.js": "marked.mjs"}),
    Package("eventsource-parser", "3.1.1", "MIT", {"dist/index.js": "eventsource-parser.mjs"}),
)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fetch(package: Package, folder: Path) -> list[str]:
    """Takes the package's files; returns their lines of the lock."""
    command = ["npm", "pack", "--json", "--pack-destination", str(folder), f"{package.name}@{package.version}"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    with tarfile.open(folder / told[0]["filename"].replace("@", "").replace("/", "-")) as archive:
        members = {name.removeprefix("package/"): name for name in archive.getnames()}
        licence = next(name for name in members if name.lower().startswith("licen") and "/" not in name)
        wanted = {**package.files, licence: f"LICENCE.{package.name.removeprefix('@').replace('/', '-')}"}
        for source, target in wanted.items():
            content = archive.extractfile(members[source])
            assert content
            (FOLDER / target).write_bytes(content.read())
    head = f"{package.name} {package.version} {package.licence}"
    return [f"{head} {target} {sha256(FOLDER / target)}" for target in wanted.values()]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        lines = [line for package in PACKAGES for line in fetch(package, Path(folder))]
    LOCK.write_text("\n".join([TITLE, *lines]) + "\n")


if __name__ == "__main__":
    main()

"""
A container image without a container engine: the instructions of a Dockerfile, carried out in layers over this machine.

Each stage is an overlay file system whose lowest layer is this machine's root, which stands for the base image: it only
has to have the same Python. `RUN` happens inside, `COPY` takes what `.dockerignore` lets through, `FROM` begins anew.
What comes out is run like a container with `--read-only`: another user, no capability, a root that nobody can write to.
Needs root and namespaces of its own, so this is a program: `unshare --mount python -m tests.deploy.image build FOLDER`.
"""

import fcntl
import json
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
#: netdevice(7): set the flags of an interface, here IFF_UP, IFF_LOOPBACK and IFF_RUNNING.
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x49


@dataclass
class Stage:
    """One `FROM` and what follows; `folder/up` is what it has written over the base."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    place: str = "/"
    user: str = "0:0"
    said: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def mount(self) -> None:
        for name in ("up", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        layers = f"lowerdir=/,upperdir={self.folder / 'up'},workdir={self.folder / 'work'}"
        called("mount", "-t", "overlay", "overlay", "-o", layers, str(self.root))
        furnish(self.root)
        # Its library is found where it was built; the folders above that may be closed to other users.
        for above in Path(sys.base_prefix).parents:
            inside = self.root / above.relative_to("/")
            inside.chmod(inside.stat().st_mode | 0o111)

    def run(self, command: list[str]) -> None:
        path = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))}
        called(
            "chroot", str(self.root), "/bin/sh", "-c", 'cd "$0" && exec "$@"', self.place, *command,
            env=path | pip | self.environment,
        )  # fmt: skip


def furnish(root: Path) -> None:
    """What an engine mounts; and this Python where the base image has its own, so that nobody can write to it."""
    for name in ("proc", "dev"):
        called("mount", "--rbind", f"/{name}", str(root / name))
    called("mount", "--bind", sys.base_prefix, str(root / "usr/local"))
    called("mount", "-o", "remount,bind,ro", str(root / "usr/local"))


def called(*command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")


def instructions(text: str) -> list[tuple[str, str]]:
    """(word, rest) of each, lines put together."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in whole.splitlines())]


def context(pattern: str) -> list[Path]:
    """The files that a `COPY` of this pattern finds."""
    found = []
    for path in sorted(ROOT.glob(pattern)):
        files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        found += [each for each in files if is_sent(each.relative_to(ROOT))]
    return found


def is_sent(path: Path) -> bool:
    """Whether .dockerignore lets a file through: its last line that fits decides."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    sent = True
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        names = path.parts if rule.startswith("**/") else [str(above) for above in (path, *path.parents)]
        if any(fnmatch(name, pattern) for name in names):
            sent = rule.startswith("!")
    return sent


def build(folder: Path) -> Stage:
    """Carries out the Dockerfile; returns its last stage, still mounted."""
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    stage = Stage(folder)
    for word, rest in instructions(DOCKERFILE.read_text()):
        if word == "ARG":
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "FROM":
            name = rest.partition(" AS ")[2] or "last"
            stage = stages[name] = Stage(folder / name)
            stage.mount()
        else:
            _carry_out(stage, stages, word, rest)
    return stage


def _carry_out(stage: Stage, stages: dict[str, Stage], word: str, rest: str) -> None:
    if word == "RUN":
        stage.run(["/bin/sh", "-c", rest])
    elif word == "COPY":
        _copy(stage, stages, shlex.split(rest))
    elif word == "ENV":
        known = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"} | stage.environment
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            stage.environment[name] = re.sub(r"\$(\w+)", lambda found: known.get(found[1], ""), value)
    elif word == "WORKDIR":
        stage.place = rest
        (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
    elif word == "USER":
        stage.user = rest
    else:
        stage.said[word] = rest


def _copy(stage: Stage, stages: dict[str, Stage], words: list[str]) -> None:
    *sources, target = [word for word in words if not word.startswith("--")]
    into = stage.root / (Path(stage.place) / target).relative_to("/")
    origin = next((word.partition("=")[2] for word in words if word.startswith("--from=")), None)
    if origin:
        shutil.copytree(stages[origin].root / sources[0].lstrip("/"), into, symlinks=True)
        return
    for source in sources:
        found = context(source)
        if not found:
            sys.exit(f"COPY {source}: nothing of that name is sent")
        base = ROOT / source if (ROOT / source).is_dir() else None
        for path in found:
            place = into / (path.relative_to(base) if base else path.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)


def run(folder: Path, command: list[str], environment: dict[str, str]) -> None:
    """Becomes a command in the built image, as `docker run --read-only --cap-drop ALL` would run it."""
    said = json.loads((folder / "image.json").read_text())
    root, user, group = folder / "run", *said["user"].split(":")
    root.mkdir(exist_ok=True)
    layers = f"lowerdir=/,upperdir={folder / 'last' / 'up'},workdir={folder / 'last' / 'work'}"
    called("mount", "-t", "overlay", "overlay", "-o", f"ro,{layers}", str(root))
    furnish(root)
    called("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / "tmp"))
    if (folder / "hosts").exists():
        called("mount", "--bind", str(folder / "hosts"), str(root / "etc/hosts"))
    if hostname := environment.get("HOSTNAME"):
        socket.sethostname(hostname)
    for volume in json.loads(said["said"]["VOLUME"]):
        place = folder / "volumes" / volume.strip("/").replace("/", "-")
        if not place.exists():
            # A fresh volume gets what the image has there, its owner too.
            place.mkdir(parents=True)
            os.chown(place, (root / volume.lstrip("/")).stat().st_uid, (root / volume.lstrip("/")).stat().st_gid)
        called("mount", "--bind", str(place), str(root / volume.lstrip("/")))
    os.chroot(root)
    os.chdir(said["place"])
    program = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs"]
    program += ["--bounding-set=-all", "--inh-caps=-all", "--", *json.loads(said["said"]["ENTRYPOINT"]), *command]
    os.execvpe("/usr/bin/setpriv", program, said["environment"] | environment)


def network() -> None:
    """Brings up the way to itself in a network that was just made, and keeps that until nobody reads any more."""
    with socket.socket() as asking:
        fcntl.ioctl(asking, SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", IFF_UP_RUNNING, b""))
    print("up", flush=True)  # noqa: T201
    sys.stdin.read()


def main() -> None:
    """`build FOLDER`, `run FOLDER NAME=VALUE… -- COMMAND…` or `network`; see unshare(1) for what each needs."""
    kind, *rest = sys.argv[1:]
    if kind == "network":
        network()
    elif kind == "build":
        stage = build(Path(rest[0]))
        made = {"environment": stage.environment, "place": stage.place, "user": stage.user, "said": stage.said}
        (stage.folder.parent / "image.json").write_text(json.dumps(made))
    else:
        cut = rest.index("--")
        run(Path(rest[0]), rest[cut + 1 :], dict(pair.split("=", 1) for pair in rest[1:cut]))


if __name__ == "__main__":
    main()

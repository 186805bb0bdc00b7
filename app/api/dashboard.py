"""
The dashboard: a page, its styles and its modules, served as they lie in `app/static/`.

They are for everybody, for there is nothing of anybody's in them; what the page shows it asks of the API, with the
user's key. Their addresses carry a hash of all of them, so a browser keeps them for good and never mixes two versions.
The page itself is asked for anew each time; its `ETag` is the same hash, by which an open tab sees that there is a
newer version.
"""

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from app.access.errors import KeyInUrl
from app.api.headers import KEY_IN_URL
from app.api.tasks import matches

MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8", "html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8", "svg": "image/svg+xml",
}  # fmt: skip
#: What the modules of others call each other.
IMPORTS: Final = {
    "preact": "preact.mjs", "preact/hooks": "hooks.mjs", "@preact/signals-core": "signals-core.mjs",
    "@preact/signals": "signals.mjs", "htm": "htm.mjs", "marked": "marked.mjs",
    "eventsource-parser": "eventsource-parser.mjs",
}  # fmt: skip
PAGE: Final = "index.html"
FOR_GOOD: Final = "public, max-age=31536000, immutable"
#: Nothing from elsewhere, no code that came as text, no text taken for markup.
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'sha256-{imports}'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent."""

    body: bytes
    packed: bytes
    media_type: str

    @classmethod
    def of(cls, name: str, body: bytes) -> "Asset":
        return cls(body, gzip.compress(body, mtime=0), MEDIA_TYPES[name.rpartition(".")[2]])


@dataclass(frozen=True, slots=True)
class Site:
    """All files by path, the address they lie under, and the policy of the page."""

    assets: dict[str, Asset]
    base: str
    policy: str


@router.get("/")
async def dashboard(request: Request) -> Response:
    """The page; raises `KeyInUrl`, for a key in its address is known to others by now."""
    if request.scope[KEY_IN_URL]:
        raise KeyInUrl
    # Weak, for it is sent packed or not (RFC 9110, section 8.8.1).
    version = f'"{site().base.rpartition("/")[2]}"'
    headers = {"Content-Security-Policy": site().policy, "Cache-Control": "no-cache", "ETag": f"W/{version}"}
    if matches(request.headers.get("if-none-match", ""), version):
        return Response(status_code=304, headers={**headers, "Vary": "Accept-Encoding"})
    return _answer(site().assets[PAGE], request, headers)


@router.get("/static/{version}/{path:path}")
async def asset(version: str, path: str, request: Request) -> Response:
    """A style, a module or the icon; one of another version may not be kept."""
    found = site().assets.get(path)
    if found is None:
        raise HTTPException(404)
    return _answer(found, request, {"Cache-Control": FOR_GOOD} if site().base == f"/static/{version}" else {})


@cache
def site() -> Site:
    """The files, read once."""
    found = dict(_read(files("app") / "static"))
    page = found.pop(PAGE)
    found = {name: body for name, body in found.items() if name.rpartition(".")[2] in MEDIA_TYPES}
    digest = hashlib.sha256()
    for name, body in sorted({**found, PAGE: page}.items()):
        digest.update(f"{name} {len(body)}\n".encode() + body)
    base = f"/static/{digest.hexdigest()[:12]}"
    imports = json.dumps({"imports": {name: f"{base}/vendor/{file}" for name, file in IMPORTS.items()}})
    policy = POLICY.format(imports=base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode())
    assets = {name: Asset.of(name, body) for name, body in found.items()}
    return Site(assets | {PAGE: Asset.of(PAGE, _page(page.decode(), base, imports, sorted(found)))}, base, policy)


def _page(template: str, base: str, imports: str, names: list[str]) -> bytes:
    """The page with the addresses in it; modules are named, so that the browser fetches them side by side."""
    styles = "\n".join(f'<link rel="stylesheet" href="{base}/{name}">' for name in names if name.endswith(".css"))
    modules = "\n".join(
        f'<link rel="modulepreload" href="{base}/{name}">' for name in names if name.endswith((".js", ".mjs"))
    )
    values = {"base": base, "styles": styles, "imports": imports, "modules": modules}
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template.encode()


def _read(folder: Traversable, prefix: str = "") -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        found += _read(entry, f"{name}/") if entry.is_dir() else [(name, entry.read_bytes())]
    return found


def _answer(asset: Asset, request: Request, headers: dict[str, str]) -> Response:
    packs = "gzip" in request.headers.get("accept-encoding", "")
    headers = {**headers, "Vary": "Accept-Encoding", **({"Content-Encoding": "gzip"} if packs else {})}
    return Response(asset.packed if packs else asset.body, headers=headers, media_type=asset.media_type)

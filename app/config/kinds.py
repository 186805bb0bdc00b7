"""Kinds of values that people write in a variable: lists and folders by name."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _split_paths(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.strip() for part in value.split(",") if part.strip()]
    if not all("=" in pair for pair in pairs):
        raise ValueError("write collections as name=path, separated by commas")
    return {name.strip(): Path(path.strip()) for name, path in (pair.split("=", 1) for pair in pairs)}


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
NamedPaths = Annotated[dict[str, Path], NoDecode, BeforeValidator(_split_paths)]

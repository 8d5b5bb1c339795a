"""Images of an item: where they are, and how they travel in a message."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from router.errors import ConfigError
from router.types import Json

Image: TypeAlias = str | bytes | Path
"""An address (`https:` or `data:`), the image itself, or the file that holds it."""

MAGIC: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}
"""How the files begin that vendors take."""
_HEAD = 16
_WEBP = slice(8, 12)


def image_of(source: object, directory: Path) -> Image:
    """The image that a field names by path, URL or data URL, or holds; raises ValueError for what is none.

    Paths begin at `directory`. A mapping with `bytes` or `path` is an image as data sets on the Hub hold it.
    """
    if isinstance(source, Mapping):
        source = source.get("bytes") or source.get("path") or source.get("url")
    if isinstance(source, bytes):
        kind_of(source)
        return source
    if not isinstance(source, str):
        raise ValueError(f"an image is a path, a URL or a data URL; found {source!r:.60}")  # noqa: TRY004 - one kind
    if source.startswith(("https://", "http://", "data:image/")):
        return source
    path = (directory / source).absolute()
    try:
        with path.open("rb") as file:
            kind_of(file.read(_HEAD))
    except OSError as error:
        raise ValueError(f"the image {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return path


def kind_of(data: bytes) -> str:
    """The media type that the first bytes tell; raises ValueError where no vendor would take it."""
    kind = next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), None)
    if kind is None or (kind == "image/webp" and data[_WEBP] != b"WEBP"):
        raise ValueError("this is no PNG, JPEG, GIF or WebP image")
    return kind


def part(image: Image) -> Json:
    """The image as a part of a message's content, in OpenAI's shape; raises ConfigError for a file that has gone."""
    return {"type": "image_url", "image_url": {"url": image if isinstance(image, str) else _data_url(image)}}


def _data_url(image: bytes | Path) -> str:
    try:
        data = image.read_bytes() if isinstance(image, Path) else image
        return f"data:{kind_of(data)};base64,{base64.b64encode(data).decode()}"
    except OSError as error:
        raise ConfigError(f"{error.filename}: the image cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{'an image' if isinstance(image, bytes) else image}: {error}") from None

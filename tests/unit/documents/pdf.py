"""PDFs written by hand, as small as can be."""

import zlib


def pdf(*pages: str, title: str = "") -> bytes:
    """A PDF with one line of text per page."""
    return whole([f"BT /F1 12 Tf 72 720 Td ({page}) Tj ET".encode() for page in pages], title)


def bomb(bytes_unpacked: int) -> bytes:
    """One page whose content unpacks to that many bytes, twice packed."""
    return whole([b"(" + b"A" * bytes_unpacked + b") Tj"], packed=True)


def endless() -> bytes:
    """A page tree that contains itself."""
    return whole([b""]).replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]")


def whole(contents: list[bytes], title: str = "", *, packed: bool = False) -> bytes:
    pages = [4 + 2 * at for at in range(len(contents))]
    kids = " ".join(f"{page} 0 R" for page in pages)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for page, content in zip(pages, contents, strict=True):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {page + 1} 0 R"
            f" /Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(_stream(content, packed=packed))
    objects.append(f"<< /Title ({title}) >>".encode())
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>"
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}\nstartxref\n{len(out)}\n%%EOF\n"
    return bytes(out) + end.encode()


def _stream(content: bytes, *, packed: bool) -> bytes:
    kind = ""
    if packed:
        content, kind = zlib.compress(zlib.compress(content, 9), 9), " /Filter [/FlateDecode /FlateDecode]"
    return f"<< /Length {len(content)}{kind} >>\nstream\n".encode() + content + b"\nendstream"

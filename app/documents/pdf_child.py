"""
The process that opens a PDF, alone with it: a program of its own that imports nothing of ours.

    python pdf_child.py MEMORY_BYTES CPU_S CHARS_MAX PAGES_MAX < file.pdf

Writes JSON lines: first `{"title": ..., "pages": n}`, then one string per page; or `{"error": "..."}`. The limits
are the kernel's (setrlimit), so no PDF can take more, whatever it does to the parser.
"""

import io
import json
import logging
import resource
import sys
from typing import Any


def main() -> None:
    memory_bytes, cpu_s, chars_max, pages_max = map(int, sys.argv[1:5])
    logging.disable()
    content = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        import pypdf

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        pages(pypdf.PdfReader(io.BytesIO(content), strict=False), chars_max, pages_max)
    except ImportError:
        say({"error": "missing"})
    except MemoryError:
        say({"error": "memory"})
    # The parser meets whatever people and attackers write, and any of its errors means the same to us.
    except Exception as error:  # noqa: BLE001
        say({"error": f"{type(error).__name__}: {error}"[:200]})


def pages(reader: Any, chars_max: int, pages_max: int) -> None:
    if reader.is_encrypted and not reader.decrypt(""):
        say({"error": "encrypted"})
        return
    title = (reader.metadata.title if reader.metadata else None) or ""
    count = len(reader.pages)
    say({"title": str(title)[:300], "pages": count})
    left = chars_max
    for number in range(min(count, pages_max)):
        text = reader.pages[number].extract_text() or ""
        left -= len(text)
        if left < 0:
            say({"error": "long"})
            return
        say(text)


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""
The process that parses a large page, alone with it: a program of its own that imports nothing of ours.

    python html_child.py MEMORY_BYTES CPU_S OPTIONS < page.html

`OPTIONS` are those of `nh3.clean`, as JSON, lists for sets. Writes the cleaned page. The limits are the kernel's.
"""

import json
import resource
import sys


def main() -> None:
    memory_bytes, cpu_s = map(int, sys.argv[1:3])
    options = json.loads(sys.argv[3])
    page = sys.stdin.buffer.read().decode("utf-8", "replace")
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    import nh3

    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    cleaned = nh3.clean(
        page, tags=set(options["tags"]), clean_content_tags=set(options["clean_content_tags"]),
        attributes={tag: set(names) for tag, names in options["attributes"].items()},
        strip_comments=True, link_rel=None,
    )  # fmt: skip
    sys.stdout.buffer.write(cleaned.encode())


if __name__ == "__main__":
    main()

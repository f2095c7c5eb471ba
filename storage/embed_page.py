#!/usr/bin/env python3
"""Makes a C array of the bytes of a page: embed_page.py OUT.h PAGE."""
import sys
from pathlib import Path


def main(out, name):
    page = Path(name).read_bytes()
    rows = [", ".join(str(b) for b in page[i : i + 24]) for i in range(0, len(page), 24)]
    body = ",\n\t".join(rows)
    Path(out).write_text(
        "/* Made by storage/embed_page.py. */\n"
        f"static const unsigned char verify_page[] = {{\n\t{body},\n}};\n",
        encoding="ascii",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

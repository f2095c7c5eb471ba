#!/usr/bin/env python3
"""Makes a C table of schema documents: embed.py OUT.h FILE.json...

Each file becomes one string, a line of it a line of C, so that a debugger shows what people wrote.
"""
import json
import sys
from pathlib import Path


def c_string(line):
    """A line and its newline as a C literal: JSON's escapes are C's for ASCII."""
    return json.dumps(line + "\n", ensure_ascii=True)


def main(out, *files):
    rows = []
    for name in files:
        text = Path(name).read_text(encoding="ascii")
        json.loads(text)
        rows.append("\n\t".join(c_string(line) for line in text.splitlines()))
    body = ",\n\t".join(rows)
    Path(out).write_text(
        f"/* Made by proto/schemas/embed.py. */\nstatic const char *const schema_documents[] = {{\n\t{body},\n}};\n",
        encoding="ascii",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

#!/usr/bin/env python3
"""Makes verify.html, one file without a network: build.py OUT.html OUT.h VERSION SOURCES-FOLDER

The page's Content-Security-Policy names the digests of its own script and style, and lets nothing be loaded. OUT.h has the
page's bytes as a C array, verify_html, for who puts it into bundles, and its SHA-256 in hex, verify_html_sha256.
"""
import base64
import hashlib
import sys
from pathlib import Path

CORE = ["bytes", "sha256", "ed25519", "inflate", "json", "entry", "tree", "note", "archive", "bundle", "rules", "log", "custody",
        "literal", "filter", "index", "certificate", "complete", "der", "x509", "tsp", "timestamps", "verify"]
WORKER = [*CORE, "worker"]
PAGE = ["bytes", "sha256", "note", "report", "page"]


def script(folder, names):
    text = "'use strict';\n" + "\n".join((folder / f"{n}.js").read_text(encoding="utf-8") for n in names)
    if "</script" in text.lower() or "<!--" in text:
        sys.exit("build.py: a script must not have </script or <!-- in it")
    return text


def source(text):
    """A source of the Content-Security-Policy that allows exactly this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def page(folder, version):
    style, main = (folder / "page.css").read_text(encoding="utf-8"), script(folder, PAGE)
    policy = (f"default-src 'none'; script-src {source(main)} blob:; worker-src blob:; style-src {source(style)}; "
              "connect-src 'none'; base-uri 'none'; form-action 'none'")
    text = (folder / "page.html").read_text(encoding="utf-8")
    parts = {"@CSP@": policy, "@VERSION@": version, "@STYLE@": style, "@PAGE@": main, "@WORKER@": script(folder, WORKER)}
    for mark, part in parts.items():
        if text.count(mark) != 1:
            sys.exit(f"build.py: page.html must have {mark} once")
        before, after = text.split(mark)
        text = before + part + after
    return text.encode()


def header(data):
    rows = [", ".join(f"0x{b:02x}" for b in data[i:i + 16]) for i in range(0, len(data), 16)]
    body = ",\n\t".join(rows)
    return (f"/* Made by tools/verify/build.py. */\nstatic const unsigned char verify_html[] = {{\n\t{body},\n}};\n"
            f'static const char verify_html_sha256[] = "{hashlib.sha256(data).hexdigest()}";\n')


def main(out, out_header, version, folder):
    data = page(Path(folder), version)
    Path(out).write_bytes(data)
    Path(out_header).write_text(header(data), encoding="ascii")
    print(f"verify.html: {len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main(*sys.argv[1:])

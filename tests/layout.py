#!/usr/bin/env python3
"""The rules about the shape of the tree, enforced (design.md section 9, style.md).

    layout.py ROOT [BUILD]

ROOT is the source tree; BUILD a meson build folder, whose compile commands say
where the headers of other projects are. Prints one line for each violation, as
`file:line: what is wrong`, and exits 1 when there is any.

Each rule is a function that takes the tree and yields violations. layout_test.py
shows every one of them failing.
"""
import ast
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PRODUCT = ("proto", "crypto", "storage", "verify", "server", "tools")
FOLDERS = PRODUCT + ("bench", "tests")
MAX_FILE_LINES = 599
MAX_FUNCTION_LINES = 69

# Includes point one way; bench and tests may include everything.
MAY_INCLUDE = {
    "proto": {"proto"},
    "crypto": {"proto", "crypto"},
    "storage": {"proto", "crypto", "storage"},
    "server": {"proto", "crypto", "storage", "server"},
    "verify": {"proto", "crypto", "storage", "verify"},
    "tools": {"proto", "crypto", "storage", "verify", "tools"},
    "bench": set(FOLDERS),
    "tests": set(FOLDERS),
}

# A part of somebody else's is met in as few places as can be:
# (header, where it may be, in how many product files at most).
RESTRICTED = [
    (r"lmdb\.h", r"storage/", 3),
    (r"uv\.h", r"server/|bench/", None),
    (r"llhttp\.h", r"server/|bench/", None),
    (r"curl/.*", r"tools/|server/outbound", 2),
    (r"qrencode\.h", r"tools/", 1),
    (r"sodium(/.*)?\.h", r"crypto/", None),
    (r"openssl/(evp|sha|hmac|digest)\.h", r"crypto/|bench/", None),
    (r"openssl/(ssl|err|pem|x509.*|bio)\.h", r"server/tls|crypto/tsp|bench/link", 3),
    (r"openssl/(ts|ess|cms|pkcs7)\.h", r"crypto/", 1),
    (r"zstd\.h|zdict\.h", r"(proto|crypto|storage|server|tools)/|bench/", 1),
    (r"simdjson.*", r"proto/json\.cc$", 1),
    (r"assert\.h", r"$^", 0),
]


class Source:
    """One file: its path below the root, its text, and its text without comments and strings."""

    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.folder = self.path.split("/")[0]
        self.text = path.read_text(encoding="utf-8", errors="replace")
        self.is_c = path.suffix in (".c", ".h", ".cc")
        self.code = without_comments(self.text) if self.is_c else self.text

    def includes(self):
        """(line, header, quoted) of every #include."""
        pattern = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
        for m in pattern.finditer(self.text):
            yield line_of(self.text, m.start()), m.group(2), m.group(1) == '"'


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def without_comments(text):
    """C text with comments, strings and character literals blanked; newlines stay."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S
    )

    def blank(m):
        kept = m.group(0)
        if kept[0] in "\"'":
            return kept[0] + " " * (len(kept) - 2) + kept[0]
        return re.sub(r"[^\n]", " ", kept)

    return token.sub(blank, text)


def without_directives(code):
    """Blanks preprocessor lines and their continuations; newlines stay."""
    return re.sub(
        r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*",
        lambda m: re.sub(r"[^\n]", " ", m.group(0)),
        code,
        flags=re.M,
    )


def top_level(code):
    """Yields (start, brace, end) of every braced thing outside any brace, and (start, None, end)
    of every statement there; `extern "C"` and namespaces are looked into."""
    depth, start, brace, transparent = 0, 0, None, 0
    for i, c in enumerate(code):
        if c == "{":
            if depth == 0 and re.search(r'(\bextern\s*"[^"]*"|\bnamespace\b[^;{}()]*)\s*$', code[start:i]):
                transparent += 1
                start = i + 1
                continue
            if depth == 0:
                brace = i
            depth += 1
        elif c == "}":
            if depth == 0:
                transparent -= 1
                start = i + 1
                continue
            depth -= 1
            if depth == 0 and re.match(r"[^;{}]*\)\s*(?:\w+\s*)*$", code[start:brace], re.S):
                yield start, brace, i
                start, brace = i + 1, None
        elif c == ";" and depth == 0:
            yield start, None, i
            start, brace = i + 1, None


def functions(source):
    """(first line, number of lines, name) of every C function definition."""
    code = without_directives(source.code)
    for start, brace, end in top_level(code):
        if brace is None:
            continue
        head = code[start:brace]
        first = start + len(head) - len(head.lstrip())
        name = re.search(r"(\w+)\s*\(", head)
        lines = line_of(code, end) - line_of(code, first) + 1
        yield line_of(code, first), lines, name.group(1) if name else "?"


def python_functions(source):
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1, node.name


def read_tree(root):
    sources = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".c", ".h", ".cc", ".py", ".sh", ".go") and path.is_file():
                sources.append(Source(root, path))
    for name in ("dev", ".ci/run"):
        if (root / name).is_file():
            sources.append(Source(root, root / name))
    return sources


# --- the rules -----------------------------------------------------------------


def includes_point_one_way(sources):
    """Includes name their folder; only tests may name a helper beside them without."""
    paths = {s.path for s in sources}
    for s in sources:
        if not s.is_c:
            continue
        for line, header, quoted in s.includes():
            if not quoted:
                continue
            folder = header.split("/")[0] if "/" in header else None
            beside = str(Path(s.path).parent / header)
            if s.folder == "tests" and beside in paths:
                continue
            if folder not in FOLDERS:
                yield f'{s.path}:{line}: include "{header}" with its folder, as "proto/err.h"'
            elif folder not in MAY_INCLUDE[s.folder]:
                yield f"{s.path}:{line}: {s.folder}/ may not include {folder}/"


def restricted_headers_stay_home(sources):
    for pattern, home, most in RESTRICTED:
        users = set()
        for s in sources:
            if not s.is_c or s.folder == "tests":
                continue
            for line, header, quoted in s.includes():
                if quoted or not re.fullmatch(pattern, header):
                    continue
                if not re.match(home, s.path):
                    yield f"{s.path}:{line}: <{header}> does not belong here"
                elif s.folder != "bench":
                    users.add(s.path)
        if most is not None and len(users) > most:
            yield f"{min(users)}:1: <{pattern}> is in {len(users)} files, {most} at most: " + ", ".join(
                sorted(users)
            )


def files_are_short(sources):
    for s in sources:
        lines = s.text.count("\n")
        if lines > MAX_FILE_LINES:
            yield f"{s.path}:{lines}: {lines} lines; a file stays under {MAX_FILE_LINES + 1}"


def functions_are_short(sources):
    for s in sources:
        if s.is_c:
            found = functions(s)
        elif s.path.endswith(".py"):
            found = python_functions(s)
        else:
            continue
        for line, lines, name in found:
            if lines > MAX_FUNCTION_LINES:
                yield f"{s.path}:{line}: {name} has {lines} lines; under {MAX_FUNCTION_LINES + 1}"


def no_assert_that_a_build_may_drop(sources):
    for s in sources:
        if s.is_c and s.folder in PRODUCT:
            for m in re.finditer(r"(?<!\w)assert\s*\(", s.code):
                yield f"{s.path}:{line_of(s.code, m.start())}: use CHECK(), not assert()"


def nothing_is_left_for_later(sources):
    marker = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "XX" "X")) + r")\b")
    for s in sources:
        for m in marker.finditer(s.text):
            yield f"{s.path}:{line_of(s.text, m.start())}: {m.group(1)} left in the code"


def is_declared_function(statement):
    """True for a function's prototype; false for types, variables and static assertions."""
    text = statement.strip()
    if not text or re.match(r"(typedef|struct \w+\s*$|enum|union|extern \w[^(]*$)", text):
        return False
    if re.match(r"_?[Ss]tatic_assert\b", text):
        return False
    return re.match(r"[\w\s*]+?\b\w+\s*\(", text) is not None and "=" not in text.split("(")[0]


def is_explained(lines, first, last):
    """True when a comment ends the declaration's last line, or stands above its block of lines."""
    if lines[last].rstrip().endswith("*/"):
        return True
    above = first - 1
    while above >= 0 and lines[above].strip():
        if re.search(r"\*/\s*$|^\s*//", lines[above]):
            return True
        above -= 1
    return False


def public_functions_are_explained(sources):
    """One comment may serve a block of lines, or a family such as put16, put32, put64."""
    for s in sources:
        if not s.path.endswith(".h") or s.folder == "tests":
            continue
        lines = s.text.split("\n")
        code = without_directives(s.code)
        families = set()
        for start, brace, end in top_level(code):
            head = code[start : end if brace is None else brace]
            if "{" in head or not is_declared_function(head):
                continue
            first = line_of(code, start + len(head) - len(head.lstrip()))
            last = line_of(code, end if brace is None else brace)
            name = re.search(r"(\w+)\s*\(", head).group(1)
            if is_explained(lines, first - 1, last - 1):
                families.add(name.rstrip("0123456789"))
            elif name.rstrip("0123456789") not in families:
                yield f"{s.path}:{first}: {name} has no comment"


def unit_tests_are_named_after_files(sources):
    """A page with test vectors is a file too: test_formats.c holds docs/formats.md to the code."""
    stems = {Path(s.path).stem for s in sources if s.folder in PRODUCT + ("bench",)} | {"formats"}
    for s in sources:
        m = re.fullmatch(r"tests/unit/test_(\w+)\.c", s.path)
        if m and m.group(1) not in stems:
            yield f"{s.path}:1: there is no {m.group(1)}.c to test"


DESTROYING = re.compile(
    r"\b(unlink|unlinkat|rmdir|ftruncate|truncate|rename|renameat|remove|fopen|mdb_put|mdb_del|mdb_drop"
    r"|pwrite|pwritev|file_pwrite|file_replace|keyfile_write|catalog_create|catalog_delete|keyrun_remove"
    r"|protect_unlink|seal_drop_keys|keyring_drop_\w+|keyring_begin_epoch)\s*\(|\b(O_TRUNC|PROT_WRITE)\b")
DESTROYING_ROW = re.compile(r"\| `([\w/.]+)` `(\w+)` \| [^|]+ \| `([\w/.]+)`: (\w+) \|")


def places_that_destroy(source):
    """{function: line} of those whose body does."""
    code = without_directives(source.code)
    places = {}
    for start, brace, end in top_level(code):
        m = brace is not None and DESTROYING.search(code, brace, end)
        if m:
            name = re.search(r"(\w+)\s*\(", code[start:brace]).group(1)
            places[name] = line_of(code, m.start())
    return places


def what_destroys_is_listed(root, sources):
    """WORM is a matter of few places: docs/destroying.md has each, with the test that guards it
    (tools/ runs elsewhere)."""
    page = root / "docs/destroying.md"
    rows = DESTROYING_ROW.findall(page.read_text(encoding="utf-8")) if page.is_file() else []
    listed = {(path, name) for path, name, _, _ in rows}
    texts = {s.path: s.text for s in sources}
    found = set()
    for s in sources:
        if s.folder not in ("proto", "crypto", "storage", "server") or not s.path.endswith(".c"):
            continue
        for name, line in places_that_destroy(s).items():
            found.add((s.path, name))
            if (s.path, name) not in listed:
                yield f"{s.path}:{line}: {name} destroys something and is not in docs/destroying.md"
    for path, name, guard, test in rows:
        if (path, name) not in found:
            yield f"docs/destroying.md:1: {name} of {path} destroys nothing"
        if not re.search(rf"\b{test}\b", texts.get(guard, "")):
            yield f"docs/destroying.md:1: {name} of {path}: {guard} has no {test}"


RULES = [
    includes_point_one_way,
    restricted_headers_stay_home,
    files_are_short,
    functions_are_short,
    no_assert_that_a_build_may_drop,
    nothing_is_left_for_later,
    public_functions_are_explained,
    unit_tests_are_named_after_files,
]


# --- headers, compiled alone ---------------------------------------------------


def include_flags(build):
    """The -I and -isystem flags that the build uses, with absolute paths."""
    flags = set()
    commands = Path(build) / "compile_commands.json" if build else None
    if not commands or not commands.is_file():
        return []
    for entry in json.loads(commands.read_text()):
        words = shlex.split(entry["command"])
        for i, word in enumerate(words):
            m = re.fullmatch(r"(-I|-isystem)(.*)", word)
            if m:
                folder = m.group(2) or words[i + 1]
                flags.add((m.group(1), os.path.join(entry["directory"], folder)))
    return [word for flag in sorted(flags) for word in flag]


def headers_compile_alone(root, sources, build):
    """Each header, included twice and alone, is a valid program without warnings."""
    flags = include_flags(build)
    compiler = os.environ.get("CC", "cc")

    def compile_one(s):
        command = [compiler, "-fsyntax-only", "-x", "c", "-std=gnu11", "-D_GNU_SOURCE", "-Wall"]
        command += ["-Wextra", "-Wno-unused-function", "-Werror", f"-I{root}", *flags, "-"]
        twice = f'#include "{s.path}"\n' * 2
        run = subprocess.run(command, input=twice, capture_output=True, text=True, check=False)
        if run.returncode:
            reason = next((l for l in run.stderr.split("\n") if "error" in l), run.stderr.strip())
            return f"{s.path}:1: does not compile alone: {reason}"
        return None

    headers = [s for s in sources if s.path.endswith(".h") and s.folder != "tests"]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from filter(None, pool.map(compile_one, headers))


def violations(root, build=None):
    """Every violation in the tree at root, as lines of text."""
    root = Path(root).resolve()
    sources = read_tree(root)
    found = [v for rule in RULES for v in rule(sources)]
    found += what_destroys_is_listed(root, sources)
    return found + list(headers_compile_alone(root, sources, build))


def main(argv):
    if len(argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 3
    found = violations(*argv[1:])
    for violation in found:
        print(violation)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

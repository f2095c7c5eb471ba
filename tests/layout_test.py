#!/usr/bin/env python3
"""Shows every rule of layout.py failing on a tree that breaks it, and a good tree passing."""
import tempfile
import unittest
from pathlib import Path

import layout

GOOD_HEADER = """/* A thing. */
#ifndef STELE_PROTO_THING_H
#define STELE_PROTO_THING_H

struct thing {
	int n; /* how many */
};

/* The sum of a and b. */
int thing_add(int a, int b);

/* Stores v in 2 or 4 bytes. */
static inline void
thing_put16(struct thing *t)
{
	t->n = 2;
}

static inline void
thing_put32(struct thing *t)
{
	t->n = 4;
}

int thing_zero(void); /* always 0 */

#endif
"""

GOOD_SOURCE = """#include "proto/thing.h"

static const int table[] = {1, 2};

int
thing_add(int a, int b)
{
	/* assert(nothing) in a comment, and "assert(" in a string, are words */
	const char *s = "assert(";

	return a + b + table[0] + (s ? 0 : 1);
}
"""

MARKER = "TO" "DO"


class Layout(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("proto/thing.h", GOOD_HEADER)
        self.write("proto/thing.c", GOOD_SOURCE)
        self.write("tests/unit/test_thing.c", '#include "proto/thing.h"\n')

    def write(self, path, text):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def assert_finds(self, *expected):
        self.assertEqual(layout.violations(self.root), list(expected))

    def test_a_good_tree_passes(self):
        self.assert_finds()

    def test_includes_point_one_way(self):
        self.write("crypto/a.c", '#include "proto/thing.h"\n#include "storage/s.h"\n')
        self.write("storage/s.h", "struct s;\n")
        self.assert_finds("crypto/a.c:2: crypto/ may not include storage/")

    def test_tools_do_not_include_the_server(self):
        self.write("tools/a.c", '#include "server/s.h"\n')
        self.write("server/s.h", "struct s;\n")
        self.assert_finds("tools/a.c:1: tools/ may not include server/")

    def test_an_include_names_its_folder(self):
        self.write("proto/a.c", '#include "thing.h"\n')
        self.assert_finds('proto/a.c:1: include "thing.h" with its folder, as "proto/err.h"')

    def test_lmdb_stays_in_storage(self):
        self.write("server/a.c", "#include <lmdb.h>\n")
        self.assert_finds("server/a.c:1: <lmdb.h> does not belong here")

    def test_lmdb_stays_in_three_files(self):
        for name in "abcd":
            self.write(f"storage/{name}.c", "#include <lmdb.h>\n")
        self.assert_finds(
            r"storage/a.c:1: <lmdb\.h> is in 4 files, 3 at most: "
            "storage/a.c, storage/b.c, storage/c.c, storage/d.c"
        )

    def test_each_part_stays_home(self):
        for header in ("uv.h", "llhttp.h", "curl/curl.h", "sodium.h", "openssl/evp.h",
                       "openssl/ssl.h", "openssl/x509v3.h", "simdjson.h"):
            with self.subTest(header):
                self.write("storage/a.c", f"#include <{header}>\n")
                self.assert_finds(f"storage/a.c:1: <{header}> does not belong here")

    def test_bench_may_use_the_loop_and_zstd(self):
        self.write("bench/a.c", "#include <uv.h>\n#include <llhttp.h>\n#include <zstd.h>\n")
        self.assert_finds()

    def test_a_file_of_600_lines_is_too_long(self):
        self.write("proto/long.c", "\n" * 599)
        self.assert_finds()
        self.write("proto/long.c", "\n" * 600)
        self.assert_finds("proto/long.c:600: 600 lines; a file stays under 600")

    def test_a_function_of_70_lines_is_too_long(self):
        body = "int\nf(void)\n{\n" + "\t;\n" * 64 + "\tif (1) {\n\t}\n" + "}\n"
        self.write("proto/f.c", body.replace("\t;\n", "", 1))
        self.assert_finds()
        self.write("proto/f.c", body)
        self.assert_finds("proto/f.c:1: f has 70 lines; under 70")

    def test_functions_in_extern_c_and_namespaces_are_seen(self):
        body = "int\nf(void)\n{\n" + "\t;\n" * 66 + "}\n"
        self.write("proto/f.cc", 'extern "C" {\nnamespace x\n{\n' + body + "}\n}\n")
        self.assert_finds("proto/f.cc:4: f has 70 lines; under 70")

    def test_a_long_python_function_is_seen(self):
        self.write("tests/f.py", "def f():\n" + "    pass\n" * 69)
        self.assert_finds("tests/f.py:1: f has 70 lines; under 70")

    def test_a_long_table_is_not_a_function(self):
        self.write("proto/t.c", "static const int t[] = {\n" + "\t1,\n" * 100 + "};\n")
        self.assert_finds()

    def test_assert_is_refused(self):
        self.write("proto/a.c", "#include <assert.h>\nint a(int x) { assert(x); return x; }\n")
        self.assert_finds(
            "proto/a.c:1: <assert.h> does not belong here",
            "proto/a.c:2: use CHECK(), not assert()",
        )

    def test_nothing_is_left_for_later(self):
        self.write("tests/a.py", f"# {MARKER}: more\n")
        self.assert_finds(f"tests/a.py:1: {MARKER} left in the code")

    def test_a_prototype_without_a_comment_is_seen(self):
        self.write("proto/a.h", "/* File. */\n\nstruct a;\n\nint a_get(const struct a *a);\n")
        self.assert_finds("proto/a.h:5: a_get has no comment")

    def test_an_inline_function_without_a_comment_is_seen(self):
        text = "static inline int\na_one(void)\n{\n\treturn 1;\n}\n"
        self.write("proto/a.h", "#ifndef A\n#define A\n\n" + text + "\n#endif\n")
        self.assert_finds("proto/a.h:4: a_one has no comment")

    def test_a_header_that_needs_another_is_seen(self):
        self.write("proto/a.h", "/* How many. */\nsize_t a_count(void);\n")
        found = layout.violations(self.root)
        self.assertEqual(len(found), 1)
        self.assertRegex(found[0], r"proto/a.h:1: does not compile alone: .*size_t")

    def test_a_header_without_a_guard_is_seen(self):
        self.write("proto/a.h", "struct a {\n\tint n;\n};\n")
        found = layout.violations(self.root)
        self.assertRegex("\n".join(found), r"proto/a.h:1: does not compile alone: .*redefinition")

    def test_what_destroys_is_listed(self):
        row = "| `storage/a.c` `{}` | old files | `tests/unit/test_thing.c`: {} |\n"
        one = "static void\nf(void)\n{\n\tunlink(\"x\");\n}\n"
        self.write("tests/unit/test_thing.c", "START_TEST(old_files_go)\n")
        self.write("storage/a.c", one)
        self.assert_finds("storage/a.c:4: f destroys something and is not in docs/destroying.md")
        self.write("docs/destroying.md", row.format("f", "old_files_go"))
        self.assert_finds()
        self.write("storage/a.c", one + one.replace("f(", "g(").replace("unlink", "seal_drop_keys"))
        self.assert_finds("storage/a.c:9: g destroys something and is not in docs/destroying.md")
        self.write("storage/a.c", one)
        self.write("docs/destroying.md", row.format("f", "old_files"))
        self.assert_finds("docs/destroying.md:1: f of storage/a.c: tests/unit/test_thing.c has no old_files")
        self.write("docs/destroying.md", row.format("f", "old_files_go"))
        self.write("storage/a.c", "/* unlink(x) */\nvoid unlink(const char *x);\n")
        self.assert_finds("docs/destroying.md:1: f of storage/a.c destroys nothing")

    def test_a_unit_test_of_no_file_is_seen(self):
        self.write("tests/unit/test_nothing.c", "int main(void);\n")
        self.assert_finds("tests/unit/test_nothing.c:1: there is no nothing.c to test")


if __name__ == "__main__":
    unittest.main()

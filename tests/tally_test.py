#!/usr/bin/env python3
"""What the closing line counts."""
import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

from tally import again, main, said, tally


def log(result, stdout="", stderr="", name="stele:e2e / a_test"):
    return {"name": name, "result": result, "stdout": stdout, "stderr": stderr}


class Tally(unittest.TestCase):
    def test_a_program_that_says_nothing_is_one_case(self):
        self.assertEqual(tally(log("OK")), (1, 0, 0))
        self.assertEqual(tally(log("FAIL")), (0, 1, 0))
        self.assertEqual(tally(log("TIMEOUT")), (0, 1, 0))
        self.assertEqual(tally(log("SKIP")), (0, 0, 1))

    def test_check_counts_its_cases(self):
        self.assertEqual(tally(log("OK", "100%: Checks: 7, Failures: 0, Errors: 0\n")), (7, 0, 0))
        self.assertEqual(tally(log("FAIL", "57%: Checks: 7, Failures: 2, Errors: 1\n")), (4, 3, 0))

    def test_unittest_counts_its_cases(self):
        ok = "Ran 5 tests in 0.1s\n\nOK (skipped=2)\n"
        bad = "Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=1, skipped=1)\n"
        self.assertEqual(tally(log("OK", "", ok)), (3, 0, 2))
        self.assertEqual(tally(log("FAIL", "", bad)), (2, 2, 1))
        self.assertEqual(tally(log("OK", "", "Ran 1 test in 0.1s\n\nOK\n")), (1, 0, 0))

    def test_a_crash_after_good_cases_is_a_failure(self):
        self.assertEqual(tally(log("FAIL", "100%: Checks: 7, Failures: 0, Errors: 0\n")), (7, 1, 0))


class Again(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, *results):
        path = Path(self.folder.name) / name
        path.write_text("".join(json.dumps(r) + "\n" for r in results))
        return str(path)

    def test_only_what_waits_for_a_server_is_run_again(self):
        bad = "FAIL: test_x (__main__.A.test_x)\nRan 1 test in 0.1s\n\nFAILED (failures=1)\n"
        results = [log("FAIL", "", bad), log("TIMEOUT", name="stele:e2e / b_test"),
                   log("OK", name="stele:e2e / c_test"),
                   log("FAIL", name="stele:unit+threads / d"),
                   log("FAIL", name="stele:crash+kill / sigkill"),
                   log("FAIL", "", "WARNING: ThreadSanitizer: data race", "stele:e2e / e_test"),
                   log("FAIL", "==1==ERROR: AddressSanitizer: x", "", "stele:e2e / f_test"),
                   log("FAIL", "", "x.c:1:2: runtime error: y", "stele:e2e / g_test")]
        self.assertEqual(again(self.file("one", *results)), ["a_test", "b_test"])

    def run_main(self, *paths):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            status = main(paths)
        return status, out.getvalue().splitlines()

    def test_the_last_result_counts_and_the_first_is_said(self):
        first = self.file("one", log("TIMEOUT"), log("OK", name="stele:e2e / b_test"))
        self.assertEqual(self.run_main(first), (1, ["failed: stele:e2e / a_test: TIMEOUT", "1 passed, 1 failed"]))
        status, lines = self.run_main(first, self.file("two", log("OK")))
        self.assertEqual((status, lines[-1]), (0, "2 passed, 0 failed"))
        self.assertIn("a_test: TIMEOUT", lines[0])
        status, lines = self.run_main(first, self.file("two", log("FAIL")))
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))

    def test_a_log_that_is_missing_is_a_failure(self):
        status, lines = self.run_main(self.file("one", log("OK")), self.folder.name + "/none")
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))

    def test_cases_are_named(self):
        bad = "FAIL: test_x (__main__.A.test_x)\nERROR: test_w (__main__.A.test_w)\n"
        self.assertEqual(said(log("FAIL", "", bad)), "stele:e2e / a_test: FAIL: test_w, test_x")
        check = "../tests/unit/test_x.c:10:F:core:test_thing:0: Assertion failed\n"
        self.assertEqual(said(log("FAIL", check)), "stele:e2e / a_test: FAIL: test_thing")


if __name__ == "__main__":
    unittest.main()

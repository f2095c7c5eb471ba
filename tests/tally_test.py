#!/usr/bin/env python3
"""What the closing line counts."""
import unittest

from tally import tally


def log(result, stdout="", stderr=""):
    return {"result": result, "stdout": stdout, "stderr": stderr}


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


if __name__ == "__main__":
    unittest.main()

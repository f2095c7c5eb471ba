#!/usr/bin/env python3
"""verify.html in a real browser: right verdicts, each tampering refused by its check, no network.

STELE_PAGE_RECORDS says how many records the large bundle has (20000), STELE_PAGE_MUTANTS how many tampered bundles
are tried (200); STELE_PAGE_SHOTS is a folder for pictures of the page.
"""
import base64
import io
import json
import os
import socket
import sys
import tempfile
import threading
import time
import unittest
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "reference"))
import browser  # noqa: E402
import bundle_index  # noqa: E402
import bundle_maker  # noqa: E402
import bundle_model  # noqa: E402
import bundle_mutate  # noqa: E402
from lib import BUILD  # noqa: E402

PAGE = BUILD / "tools/verify/verify.html"
CHECKS = ["archive", "manifest", "signature", "keys", "entries", "chain", "commitments", "inclusion", "consistency",
          "controls", "rules", "custody", "timestamps", "completeness"]
STATUS = {"valid": 0, "invalid": 1, "incomplete": 2}
RECORDS = int(os.environ.get("STELE_PAGE_RECORDS", 20000))
MUTANTS = int(os.environ.get("STELE_PAGE_MUTANTS", 200))
SHOTS = os.environ.get("STELE_PAGE_SHOTS")
READ = """
const lines = [...document.querySelectorAll('.checks li')].map((l) => [l.dataset.check, l.dataset.state, l.textContent]);
return {state: document.body.dataset.state, checks: lines, text: document.body.innerText,
	completeness: document.querySelector('.verdict')?.dataset.completeness ?? null};
"""


def setUpModule():
    if browser.missing():
        raise unittest.SkipTest(browser.missing())


class Verdict:
    """What the page shows."""

    def __init__(self, said):
        self.state, self.text, self.completeness = said["state"], said["text"], said["completeness"]
        self.names = [name for name, _, _ in said["checks"]]
        self.states = {name: state for name, state, _ in said["checks"]}
        self.failed = [name for name, state, _ in said["checks"] if state == "failed"]

    def __str__(self):
        return f"{self.state} {self.failed}: {self.text}"


class PageCase(unittest.TestCase):
    """One browser for all tests of a class."""

    options, width = (), 1000

    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory(prefix="stele-page-")
        cls.addClassCleanup(cls.temp.cleanup)
        cls.folder = Path(cls.temp.name)
        cls.browser = browser.Browser(cls.folder, *cls.options, width=cls.width)
        cls.enterClassContext(cls.browser)
        cls.browser.open(PAGE.as_uri())

    def put(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def verify(self, path, key, *, older=(), folder=False, roots=None):
        """Lets the page verify it: a path, or several of pieces. roots: of timestamp authorities, PEM."""
        paths = [path] if isinstance(path, Path) else path
        self.browser.run("document.getElementById('form').reset(); delete document.body.dataset.state")
        self.browser.type("#folder" if folder else "#file", "\n".join(map(str, paths)))
        if older:
            self.browser.type("#older", "\n".join(map(str, older)))
        if roots:
            self.browser.type("#roots", str(self.put("roots.pem", roots.encode())))
        self.browser.run("document.getElementById('key').value = arguments[0]", key)
        self.browser.click("#go")
        self.browser.wait("return ['valid', 'invalid', 'incomplete', 'error'].includes(document.body.dataset.state)")
        return Verdict(self.browser.run(READ))

    def of(self, bundle, name="bundle.zip", **more):
        """The verdict on an untouched one."""
        return self.verify(self.put(name, bundle.archive()), bundle.trusted.vkey, **more)

    def shot(self, name):
        """A picture of the whole page, where they are wanted."""
        if SHOTS:
            taken = self.browser.devtools("Page.captureScreenshot", captureBeyondViewport=True)
            Path(SHOTS, f"{name}.png").write_bytes(base64.b64decode(taken["data"]))


class Untouched(PageCase):
    def test_every_kind_of_valid_bundle_is_valid(self):
        for kind in bundle_maker.KINDS:
            for seed in (1, 2):
                with self.subTest(kind=kind, seed=seed):
                    got = self.of(bundle_maker.make(kind, seed))
                    self.assertEqual(got.state, "valid", got)
                    self.assertEqual(got.names, CHECKS)
                    self.assertLessEqual(set(got.states.values()), {"ok", "none", "partly"}, got)

    def test_what_no_index_was_shown_of_is_said_to_be_the_servers_word(self):
        bundle = bundle_maker.make("certified")
        got = self.of(bundle)
        self.assertEqual((got.state, got.completeness, got.states["completeness"]), ("valid", "scanned", "partly"))
        self.assertIn(f"{sum(p.size for p in bundle.parts)} entries were in no index that is shown", got.text)
        self.shot("certified")

    def test_a_completeness_that_indexes_show_holds(self):
        got = self.of(bundle_maker.searched(*self.all_sealed()))
        self.assertEqual((got.state, got.completeness, got.states["completeness"]), ("valid", "certified", "ok"))
        self.assertIn("none of them says otherwise", got.text)
        self.assertNotIn("in no index", got.text)
        self.shot("indexed")

    @staticmethod
    def all_sealed():
        """A log of two segments, what was asked, and the certificate of a search in them."""
        rng, _, log = bundle_maker.start("sealed")
        bundle_maker.events(log, rng, 299)
        asked = 'actor = "alice" OR event_id = 17'
        return log, asked, bundle_index.Certificate(rng, log, asked, [256, 44], bundle_index.payload_terms)

    def test_timestamps_say_who_saw_how_much_and_when(self):
        for seed in range(6):
            bundle = bundle_maker.make("stamped", seed)
            with self.subTest(seed=seed):
                got = self.of(bundle, roots=bundle.roots)
                self.assertEqual((got.state, got.states["timestamps"]), ("valid", "ok"), got)
                self.assertRegex(got.text, r"\d+ of \d+ entries existed no later than 2026-11-23 15:48:\d\d UTC according to (clock|ec\d*).example")
                self.shot(f"stamped-{seed}")
                got = self.of(bundle)
                self.assertEqual((got.state, got.states["timestamps"]), ("valid", "partly"), got)
                self.assertIn("Nobody has judged that authority", got.text)

    def test_roots_without_timestamps_are_told(self):
        bundle = bundle_maker.make("range")
        got = self.of(bundle)
        self.assertEqual(got.states["timestamps"], "none")
        self.assertIn("when the records came to be is the server's word", got.text)
        roots = bundle_maker.make("stamped").roots
        self.assertEqual(self.of(bundle, roots=roots).failed, ["timestamps"])
        got = self.of(bundle, roots="no PEM")
        self.assertEqual(got.state, "error")
        self.assertIn("there is no certificate in it", got.text)

    def test_a_selection_claims_no_completeness(self):
        got = self.of(bundle_maker.make("selection"))
        self.assertEqual((got.state, got.completeness, got.states["completeness"]), ("valid", "none", "none"))
        self.assertIn("It claims nothing about records that are not in it", got.text)

    def test_gaps_are_told_with_their_reasons(self):
        got = self.of(bundle_maker.make("purged"))
        self.assertRegex(got.text, r"\d+: purged by entry \d+, 20\d\d-")
        self.shot("purged")

    def test_an_older_checkpoint_that_the_log_grew_out_of_is_told(self):
        bundle = bundle_maker.make("since")
        part = next(p for p in bundle.parts if p.since)
        older = self.put("kept", part.log.checkpoint(part.since[0]).encode())
        got = self.of(bundle, older=[older])
        self.assertEqual((got.state, got.states["consistency"]), ("valid", "ok"), got)
        self.assertIn("your checkpoint kept", got.text)
        # the bundle's own shows nothing
        got = self.of(bundle, older=[self.put("own", part.log.checkpoint().encode())])
        self.assertEqual((got.state, got.states["consistency"]), ("valid", "none"), got)
        self.assertIn("shows nothing of growth", got.text)

    def test_what_is_here_is_counted_as_the_command_line_counts_it(self):
        bundle = bundle_maker.make("whole")
        got = self.of(bundle)
        self.assertEqual(got.state, "valid", got)
        part = bundle.parts[0]
        kinds = [json.loads(part.log.records[i].entry)["kind"] for i in part.indexes]
        control = len(kinds) - kinds.count("record")
        self.assertRegex(got.text, rf"Entries here\s+{len(kinds)} of {part.size} in the log: the whole log")
        self.assertRegex(got.text, rf"Records\s+{kinds.count('record')} of these entries\s+Control entries\s+{control} of these entries")

    def test_pieces_and_an_unpacked_folder_give_the_same_verdict(self):
        bundle = bundle_maker.make("files")
        data = bundle.archive()
        third = len(data) // 3
        pieces = [self.put(f"b.zip.{n + 1:03d}", data[n * third:(n + 1) * third if n < 2 else None]) for n in range(3)]
        self.assertEqual(self.verify(pieces[::-1], bundle.trusted.vkey).state, "valid")
        got = self.verify(pieces[:1] + pieces[2:], bundle.trusted.vkey)
        self.assertEqual(got.state, "error")
        self.assertIn("A piece is missing", got.text)
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            z.extractall(self.folder / "unpacked")
        top = next((self.folder / "unpacked").iterdir())
        got = self.verify(top, bundle.trusted.vkey, folder=True)
        self.assertEqual((got.state, got.states["archive"]), ("valid", "partly"), got)
        self.assertIn("could not be judged", got.text)
        (top / "data/extra").write_text("x")
        self.assertEqual(self.verify(top, bundle.trusted.vkey, folder=True).failed, ["archive"])
        (top / "data/extra").unlink()
        changed = top / "data/bundle.json"
        os.chmod(changed, 0o600)
        changed.write_bytes(changed.read_bytes().replace(b'"range"', b'"rangE"'))
        self.assertEqual(self.verify(top, bundle.trusted.vkey, folder=True).failed, ["manifest"])


class Tampered(PageCase):
    def test_each_class_of_tampering_is_refused_by_its_check(self):
        seen, refused = set(), set()
        for n, mutant in enumerate(bundle_mutate.mutants(MUTANTS, "page")):
            with self.subTest(mutant=mutant.name):
                path = self.folder / f"{n}.zip"
                older = bundle_mutate.write(mutant, path)
                got = self.verify(path, mutant.key, older=older, roots=mutant.roots)
                self.assertEqual(STATUS.get(got.state), mutant.status, got)
                self.assertEqual(len(got.failed), 1, got)
                self.assertIn(got.failed[0], mutant.checks, got)
                after = CHECKS[CHECKS.index(got.failed[0]) + 1:]
                self.assertEqual({got.states[c] for c in after} - {"not judged"}, set(), "nothing behind it is judged")
            refused |= set(got.failed)
            seen.add(mutant.name.split("/")[0])
        self.assertEqual(refused, set(CHECKS), "each check has refused something")
        print(f"page: {n + 1} tampered bundles of {len(seen)} classes, each refused by the right check", file=sys.stderr)

    def test_the_place_is_told_where_it_fails(self):
        bundle = bundle_maker.make("range")
        data = bundle.data()
        path = "data/payments/records.ndjson"
        lines = data[path].split(b"\n")
        lines[2] = lines[2].replace(b'pay\\"', b'paY\\"')
        self.assertNotEqual(b"\n".join(lines), data[path])
        data[path] = b"\n".join(lines)
        got = self.verify(self.put("place.zip", bundle.archive(bundle.seal(data))), bundle.trusted.vkey)
        self.assertEqual((got.state, got.failed), ("invalid", ["commitments"]), got)
        self.assertRegex(got.text, r"file data/payments/records.ndjson, line 3, entry \d+")
        self.assertIn("NOT VALID", got.text)
        self.shot("invalid")

    def test_a_key_that_the_bundle_brings_is_not_trusted(self):
        bundle, other = bundle_maker.make("range"), bundle_maker.make("range", 2)
        got = self.verify(self.put("other.zip", bundle.archive()), other.trusted.vkey)
        self.assertEqual(got.failed, ["signature"], got)

    def test_what_is_no_bundle_or_no_key_is_told(self):
        key = bundle_maker.make("range").trusted.vkey
        self.assertEqual(self.verify(self.put("none.zip", b"PK no"), key).failed, ["archive"])
        got = self.verify(self.put("none.zip", b"PK no"), key[:-1] + ("A" if key[-1] != "A" else "B"))
        self.assertEqual(got.state, "error")
        self.assertIn("This is no verifier key", got.text)

    def test_what_a_bundle_says_is_shown_as_text(self):
        server = bundle_maker.Server(seed="x")
        log = server.log("payments")
        log.record(b"{}")
        asked = bundle_maker.request("range", ["payments"], reason="<img src=x onerror='document.title=1'><b>bold</b>")
        bundle = bundle_maker.Bundle(server, "range", [bundle_maker.Part(log, [0, 1])], asked)
        got = self.of(bundle)
        self.assertEqual(got.state, "valid", got)
        self.assertIn("<b>bold</b>", got.text)
        self.assertEqual(self.browser.run("return document.querySelectorAll('img, b').length"), 0)


def replaced(path, old, new):
    """Signed anew, with a text of a file replaced by another: an exporter that lies."""

    def make():
        bundle = bundle_maker.make("range")
        data = bundle.data()
        if data[path].count(old) < 1:
            raise ValueError(f"{path} has no {old}")
        data[path] = data[path].replace(old, new, 1)
        return bundle, bundle.seal(data)

    return make


def signed_over(path, change):
    """The same with a file outside of data/, which the tag manifest is made over."""

    def make():
        bundle = bundle_maker.make("range")
        files = bundle.files()
        files[path] = change(files[path])
        return bundle, bundle.sign(files)

    return make


def identities(change, **trusted):
    """A server with three identities; change may put other succession notes, and key statements, into the bundle."""

    def make():
        server = bundle_maker.Server(seed="row")
        log = server.log("payments")
        server.succeed()
        log.rotate()
        server.succeed()
        part = bundle_maker.Part(log, [0, 1])
        change(server, part)
        bundle = bundle_maker.Bundle(server, "range", [part], bundle_maker.request("range", ["payments"]))
        bundle.trusted = server.identities[trusted.get("trusted", 0)]
        return bundle, bundle.files()

    return make


def succession_again(number, old=0, new=1, signers=None, when=None):
    """Puts a succession note in the place of the one with that number."""

    def change(server, _):
        a, b = server.identities[old], server.identities[new]
        text = f"stele identity v1\n{a.vkey}\n{b.vkey}\n{number}\n{bundle_model.instant(when or server.now)}\n"
        server.successions[number - 1] = bundle_model.note(text, *([a, b] if signers is None else [server.identities[i] for i in signers]))

    return change


def stated_late(server, part):
    """The first identity states a key of a later epoch than the second one's."""
    key = bundle_model.Key(part.log.origin, bytes(range(32)))
    part.keys = [*part.keys, bundle_model.note(f"stele key v1\n{key.vkey}\n7\n1\n", server.identities[0])]
    part.checkpoint = part.log.checkpoint(keys=[key])


def history(act, shown, kind="selection", name="payments", **asked):
    """A log in which act(log) was done after three records without a lock; shown are its indexes in the bundle."""

    def make():
        server = bundle_maker.Server(seed="history")
        log = server.log(name)
        for n in range(3):
            log.record(b'{"n":%d}' % n)
        withheld = act(log) or {}
        part = bundle_maker.Part(log, shown, withheld=withheld)
        bundle = bundle_maker.Bundle(server, kind, [part], bundle_maker.request(kind, [name], **asked))
        return bundle, bundle.files()

    return make


def purged_by_old_rules(log):
    log.extend([[1, 1]], log.server.now)
    log.purge([[2, 2]], allowed_by=0)


def purged_twice(log):
    log.purge([[2, 2]])
    log.purge([[2, 2]])


def begun(other_log=False):
    """Custody of another export; or one that a client recorded in a log of its own."""

    def make():
        bundle = bundle_maker.make("range")
        log = bundle.parts[0].log if other_log else bundle.system
        said = {"type": "export.begin", "export": bundle.export if other_log else "x-aaaaaaaaaa", "request": bundle.request,
                "by": {"principal": bundle_model.BY}}
        index = log.record(bundle_model.compact(said).encode(), writer=bundle_model.BY)
        bundle.begun_at = log.records[index].when
        bundle.custody = bundle_maker.lines([log.receipt(index)])
        return bundle, bundle.files()

    return make


LIES = [
    ("a purge that not all entries on locks allowed", history(purged_by_old_rules, [0, 1]), "rules"),
    ("a record that was purged twice, and is not shown", history(purged_twice, [0, 1]), "rules"),
    ("a control entry that was purged", history(lambda log: log.purge([[0, 0]]) and None, [1]), "rules"),
    ("a purge in _system", history(lambda log: log.purge([[2, 2]]) and None, [0, 1], name="_system"), "rules"),
    ("the custody of another export", begun(), "custody"),
    ("custody in a log of a client's", begun(other_log=True), "custody"),
    ("no proof from a size that the request named", history(lambda log: None, [0, 1], since={"payments": [2]}), "consistency"),
    ("a range that goes further than it says", history(lambda log: {1: "not_requested"}, [0, 1, 2, 3], "range", first=2, last=3), "completeness"),
    ("a duplicate member of bundle.json", replaced("data/bundle.json", b'"v":1,', b'"v":1,"v":1,'), "entries"),
    ("a duplicate member of a receipt", replaced("data/custody.ndjson", b'{"log":', b'{"log":"_system","log":'), "custody"),
    ("a low surrogate alone", replaced("data/payments/records.ndjson", b'\\"action', b'\\udc00\\"action'), "entries"),
    ("a high surrogate before another character", replaced("data/payments/records.ndjson", b'\\"action', b'\\ud800\\u0041\\"action'), "entries"),
    ("an entry whose ctl is not below it", replaced("data/payments/records.ndjson", b'\\"ctl\\":0', b'\\"ctl\\":900'), "entries"),
    ("a space in a line", replaced("data/payments/records.ndjson", b',"salt"', b', "salt"'), "entries"),
    ("an escape that JSON lacks", replaced("data/payments/records.ndjson", b'\\"action', b'\\x41\\"action'), "entries"),
    ("a manifest that calls a file otherwise", signed_over("manifest-sha256.txt", lambda m: m.replace(b"bundle.json", b"bundle.jsom")), "manifest"),
    ("an oxum twice", signed_over("bag-info.txt", lambda m: m + m[m.index(b"Payload-Oxum"):]), "manifest"),
    ("an older succession note that the old key did not sign", identities(succession_again(1, signers=[1], when=1)), "signature"),
    ("two notes that replace one identity", identities(succession_again(2, old=0, new=2)), "signature"),
    ("times that do not ascend", identities(succession_again(2, old=1, new=2, when=1)), "signature"),
    ("an identity that comes back", identities(succession_again(2, old=1, new=0)), "signature"),
    ("a statement of a replaced identity for a later epoch", identities(stated_late, trusted=2), "keys"),
]


class Lies(PageCase):
    def test_a_lying_exporter_is_caught_by_the_check_that_looks(self):
        for name, make, check in LIES:
            with self.subTest(lie=name):
                bundle, files = make()
                got = self.verify(self.put("lie.zip", bundle.archive(files)), bundle.trusted.vkey)
                state = "incomplete" if check == "completeness" else "invalid"
                self.assertEqual((got.state, got.failed), (state, [check]), got)

    def test_a_server_of_another_name_did_not_sign_it(self):
        bundle = bundle_maker.make("range")
        archive = bundle.archive(bundle.seal(bundle.data(), server="another.example.com"))
        self.assertEqual(self.verify(self.put("name.zip", archive), bundle.trusted.vkey).failed, ["signature"])

    def test_a_row_of_identities_is_followed_both_ways(self):
        for trusted in range(3):
            bundle, files = identities(lambda *_: None, trusted=trusted)()
            got = self.verify(self.put("row.zip", bundle.archive(files)), bundle.trusted.vkey)
            self.assertEqual(got.state, "valid", got)

    def test_a_statement_for_later_entries_does_not_count_yet(self):
        server = bundle_maker.Server(seed="later")
        log = server.log("payments")
        log.record(b"{}")
        log.rotate()
        part = bundle_maker.Part(log, [0, 1], size=2, keys=[e.statement for e in log.epochs])
        bundle = bundle_maker.Bundle(server, "range", [part], bundle_maker.request("range", ["payments"]))
        self.assertEqual(self.of(bundle).state, "valid")


class WithoutWebCrypto(PageCase):
    """A browser that has no Ed25519: the page's own is used."""

    def test_signatures_are_checked_by_the_pages_own_arithmetic(self):
        own = self.browser.run("""
            const source = document.getElementById('worker').textContent +
                ';onmessage = async ({data}) => postMessage([edVerifyHere(...data), edVerifyHere(data[0], data[1], data[2].slice(1))]);';
            const w = new Worker(URL.createObjectURL(new Blob([source])));
            const unhex = (t) => Uint8Array.from(t.match(/../g) ?? [], (b) => parseInt(b, 16));
            w.postMessage(arguments[0].map(unhex));
            return new Promise((done) => { w.onmessage = ({data}) => done(data); });
        """, [  # RFC 8032 section 7.1, test 3
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            "af82"])
        self.assertEqual(own, [True, False])
        self.browser.run("""
            const source = document.getElementById('worker');
            source.textContent = "Object.defineProperty(self, 'crypto', {value: {}});" + source.textContent;""")
        stamped = bundle_maker.make("stamped")
        got = self.of(stamped, roots=stamped.roots)
        self.assertEqual((got.state, got.states["timestamps"]), ("valid", "partly"), got)
        self.assertIn("this browser has no WebCrypto", got.text)
        bundle, other = bundle_maker.make("rotated"), bundle_maker.make("range")
        self.assertEqual(self.of(bundle).state, "valid")
        self.assertEqual(self.of(bundle_maker.Bundle(other.server, "range", other.parts, other.request,
                                                     signer=bundle_model.Key(other.server.name, bytes(32)))).failed, ["signature"])


class Alone(PageCase):
    """The page and nothing else: no network, a narrow screen, the dark, a keyboard, many records."""

    width = 500

    def test_it_asks_nothing_of_the_network(self):
        came = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def listen():
                try:
                    came.append(listener.accept())
                except OSError:
                    pass  # closed: nobody came
            thread = threading.Thread(target=listen, daemon=True)
            thread.start()
            port = listener.getsockname()[1]
            self.browser.logged("performance")
            self.browser.open(PAGE.as_uri())
            self.assertEqual(self.of(bundle_maker.make("range")).state, "valid")
            messages = [m["message"] for m in self.browser.logged("performance")]
            asked = [m for m in messages if '"Network.requestWillBeSent"' in m]
            self.assertGreater(len(asked), 0, "the page itself")
            for m in asked:
                self.assertRegex(m, r'"url":"(file|blob):')
            refused = self.browser.run("""
                const at = 'http://127.0.0.1:' + arguments[0] + '/';
                const tell = (where) => fetch(where).then(() => 'asked', (e) => e.name);
                const source = 'onmessage = ({data}) => fetch(data).then(() => postMessage("asked"), (e) => postMessage(e.name))';
                const w = new Worker(URL.createObjectURL(new Blob([source])));
                w.postMessage(at);
                document.body.append(Object.assign(new Image(), {src: at}));
                return Promise.all([tell(at), new Promise((done) => { w.onmessage = ({data}) => done(data); })]);
            """, port)
            self.assertEqual(refused, ["TypeError", "TypeError"], "its own policy lets nothing be asked")
            time.sleep(0.2)
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)
        self.assertEqual(came, [])

    def test_it_fits_a_narrow_screen_in_light_and_dark(self):
        self.browser.devtools("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
        for scheme in ("light", "dark"):
            self.browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            self.browser.open(PAGE.as_uri())
            self.shot(f"form-{scheme}")
            self.assertEqual(self.of(bundle_maker.make("whole")).state, "valid")
            self.shot(f"narrow-{scheme}")
            wide = self.browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            self.assertLessEqual(wide, 0, "it scrolls sideways")
        self.browser.devtools("Emulation.clearDeviceMetricsOverride")
        self.browser.devtools("Emulation.setEmulatedMedia", features=[])

    def test_it_is_labelled_and_gives_the_verdict_the_focus(self):
        bare = self.browser.run("return [...document.querySelectorAll('input, textarea, progress')].filter((e) => !e.labels.length).length")
        self.assertEqual(bare, 0)
        self.of(bundle_maker.make("range"))
        self.assertEqual(self.browser.run("return document.activeElement.textContent"), "VALID")

    def test_many_records_take_seconds(self):
        server = bundle_maker.Server(seed="many")
        log = server.log("payments")
        for n in range(RECORDS):
            log.record(b'{"actor":"alice","action":"pay","amount":"%d.50","note":"%s"}' % (n, b"x" * 200), seconds=86400)
        bundle = bundle_maker.whole(server, [log])
        archive = bundle.archive()
        began = time.monotonic()
        got = self.verify(self.put("many.zip", archive), bundle.trusted.vkey)
        self.assertEqual(got.state, "valid", got)
        self.assertIn(f"{RECORDS + 1:,} of {RECORDS + 1:,} in the log", got.text)
        took = time.monotonic() - began
        print(f"page: {RECORDS} records, {len(archive) >> 10} KiB packed, in {took:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    unittest.main()

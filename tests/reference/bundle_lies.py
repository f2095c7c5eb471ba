"""Classes of tampering by somebody who has the right key: everything is counted, listed and signed anew, so that only the
check in question finds it. First what is edited in a bundle's files, then logs that should not be."""
import base64
import copy
import json

import bundle_maker
from bundle_case import tampers
from bundle_model import BY, OTHER, Key, b64, instant, key_statement, note, succession

RUNS = ["range", "whole", "filter", "listed", "purged", "restored", "rotated", "since", "custody", "compliance"]  # neighbours in them


def edit(name, *checks, kinds=None):
    """A class that changes the lines of one file of a log in place; they are counted and sealed. False: nothing to do."""

    def register(function):
        def make(rng, case):
            shown = case.lines(name)
            if function(rng, shown, case) is False:
                return None
            case.put(name, shown)
            try:
                case.counts()
            except ValueError:
                pass  # an entry that is no JSON any more: as many as before
            return case.seal()

        make.__name__ = function.__name__
        tampers(*checks, kinds=kinds)(make)
        return function

    return register


def other_b64(rng, text):
    """Base64 of as many other bytes."""
    return b64(rng.randbytes(len(base64.b64decode(text))))


def paid(shown):
    return [l for l in shown if "payload" in l]


def entry_of(line):
    return json.loads(line["entry"])


# --- keys ------------------------------------------------------------------------


@tampers("keys")
def checkpoint_by_another_key(rng, case):
    part = case.part
    case.files[case.log + "/checkpoint"] = part.log.checkpoint(part.size, [Key(part.log.origin, rng.randbytes(32))]).encode()
    return case.seal()


@tampers("keys")
def checkpoint_by_the_identity(rng, case):
    part = case.part
    case.files[case.log + "/checkpoint"] = part.log.checkpoint(part.size, [case.bundle.server.identity]).encode()
    return case.seal()


@tampers("keys")
def older_checkpoint(rng, case):
    part = case.part
    case.files[case.log + "/checkpoint"] = part.log.checkpoint(part.size - rng.randrange(1, part.size - 1)).encode()
    return case.seal()


@tampers("keys", kinds=["whole", "selection"])
def checkpoint_of_another_log(rng, case):
    one, other = rng.sample([p for p in case.files if p.endswith("/checkpoint")], 2)
    case.files[one] = case.files[other]
    return case.seal()


@tampers("keys")
def statement_by_another_identity(rng, case):
    epoch = case.part.log.epochs[0]
    forged = key_statement(Key(case.bundle.server.name, rng.randbytes(32)), epoch.key, epoch.number, epoch.first_size)
    case.files[case.log + "/keys.txt"] = f"key {b64(forged.encode())}\n".encode()
    return case.seal()


@tampers("keys", kinds=["rotated"])
def statement_dropped(rng, case):
    lines = case.files[case.log + "/keys.txt"].decode().splitlines(True)
    case.files[case.log + "/keys.txt"] = "".join(lines[:-1]).encode()
    return case.seal()


@tampers("keys")
def two_keys_for_one_epoch(rng, case):
    log = case.part.log
    forged = key_statement(case.bundle.server.identities[0], Key(log.origin, rng.randbytes(32)), log.epochs[-1].number, 1 << 40)
    case.files[case.log + "/keys.txt"] += f"key {b64(forged.encode())}\n".encode()
    return case.seal()


@tampers("keys")
def keys_file(rng, case):
    """Lines of keys.txt that are none."""
    path = case.log + "/keys.txt"
    body = case.files[path]
    case.files[path] = rng.choice([body.replace(b"key ", b"key  "), body + b"\n", body[:-1], body.replace(b"key ", b"Key "), b"", body + b"key AAAA\n"])
    return case.seal()


@tampers("keys")
def another_server(rng, case):
    case.document(lambda d: d.update(server="other.example.com"))
    return case.seal()


@tampers("signature")
def successions_that_contradict(rng, case):
    """Two identities take over from one; or a note that one of both keys did not sign."""
    server = case.bundle.server
    new, newer = Key(server.name, rng.randbytes(32)), Key(server.name, rng.randbytes(32))
    notes = [succession(server.identity, new, 7, server.now), succession(server.identity, newer, 7, server.now)]
    text = notes[0].rpartition("\n\n")[0] + "\n"
    if rng.randrange(2):
        notes = [note(text, server.identity, newer)]
    path = case.log + "/keys.txt"
    case.files[path] += "".join(f"identity {b64(n.encode())}\n" for n in notes).encode()
    return case.seal()


# --- entries ---------------------------------------------------------------------

NDJSON = ["controls.ndjson", "proofs.ndjson", "records.ndjson"]


@tampers("entries")
def not_compact_json(rng, case):
    """One byte too many, a member too many, twice or in another order, an empty line, another line end."""
    path = f"{case.log}/{rng.choice(NDJSON)}"
    lines = [l + "\n" for l in case.files[path].decode().split("\n")[:-1]]
    i = rng.randrange(len(lines))
    line = lines[i]
    items = list(json.loads(line).items())
    lines[i] = rng.choice([
        line.replace('":', '": ', 1), " " + line, line[:-1] + " \n", line[:-1] + "\r\n", line + "\n", line[:-2] + ',"x":1}\n',
        line[:-2] + "," + bundle_maker.compact(dict([items[-1]]))[1:] + "\n", line[:-2] + "\n", line[:-1] + "," + line, "\ufeff" + line,
        bundle_maker.compact(dict(reversed(items))) + "\n", bundle_maker.compact(dict(items[1:])) + "\n"])
    case.files[path] = "".join(lines).encode()
    return case.seal()


@tampers("entries")
def no_last_newline(rng, case):
    path = f"{case.log}/{rng.choice(NDJSON)}"
    case.files[path] = case.files[path][:-1]
    return case.seal()


@tampers("entries")
def not_utf8(rng, case):
    """A lone surrogate, or bytes that are not UTF-8, in a payload."""
    path = f"{case.log}/records.ndjson"
    body = case.files[path]
    if b'"payload":"' not in body:
        return None
    case.files[path] = body.replace(b'"payload":"', b'"payload":"' + rng.choice([b"\\ud800", b"\\udc00\\ud800", b"\xff", b"\xed\xa0\x80", b"\x01", b"\\x41"]), 1)
    return case.seal()


@edit("records.ndjson", "entries")
def entry_that_is_none(rng, shown, case):
    """Another spelling of an entry: its grammar is exact."""
    line = rng.choice(shown)
    e = line["entry"]
    line["entry"] = rng.choice([
        e.replace('"v":1', '"v":2'), e.replace('","index":', '", "index":'), e.replace('"index":', '"index":0'), e + " ", e.replace('"kind":"', '"kind":"x'),
        e.replace("Z", "+00:00", 1), e.replace('"time":"2026', '"time":"1826'), e.replace('"time":"2026-11-', '"time":"2026-13-'), e.replace('"media_type":"', '"media_type":"\u00e9'),
        e[:-1] + ',"x":1}', e.replace('"writer":"', '"writer":"' + "w" * 1000), e.replace('="', '"', 1), bundle_maker.compact(dict(reversed(json.loads(e).items())))])


@edit("records.ndjson", "entries", kinds=RUNS)
def lines_swapped(rng, shown, case):
    i = rng.randrange(1, len(shown))
    shown[i - 1], shown[i] = shown[i], shown[i - 1]


@edit("records.ndjson", "entries")
def line_twice(rng, shown, case):
    i = rng.randrange(len(shown))
    shown.insert(i, shown[i])


@edit("records.ndjson", "entries")
def entry_of_another_log(rng, shown, case):
    line = rng.choice(shown)
    line["entry"] = line["entry"].replace(case.part.log.origin, case.part.log.origin + "-2")


@edit("records.ndjson", "entries")
def entry_beyond_the_size(rng, shown, case):
    e = entry_of(shown[-1])
    shown[-1]["entry"] = shown[-1]["entry"].replace(f'"index":{e["index"]},', f'"index":{case.part.size + rng.randrange(9)},')


@edit("records.ndjson", "entries")
def forged_reason(rng, shown, case):
    """A reason to withhold that is none; or a control entry that is withheld."""
    controls = [l for l in shown if entry_of(l)["kind"] != "record"]
    line = rng.choice(controls or shown)
    reason = "not_requested" if controls else rng.choice(["", "lost", "Restricted", "not requested", None, 1])
    entry = line["entry"]
    line.clear()
    line |= {"entry": entry, "withheld": reason}


@edit("records.ndjson", "entries")
def payload_in_the_wrong_form(rng, shown, case):
    """Base64 of what is UTF-8; a file of what is short; a salt that is none."""
    line = rng.choice(paid(shown)) if paid(shown) else None
    if line is None:
        return False
    trick = rng.randrange(3)
    if trick == 0:
        line["payload_b64"] = b64(line.pop("payload").encode())
    elif trick == 1:
        line.pop("payload")
        line["file"] = f"{entry_of(line)['index']:015d}.bin"
    else:
        line["salt"] = rng.choice(["", line["salt"][:-4], line["salt"] + "AAAA", line["salt"][:-1], "\n" + line["salt"]])


@tampers("entries")
def counts_that_are_not(rng, case):
    name = rng.choice(["entries", "payloads", "purged", "withheld", "controls", "bytes"])

    def change(document):
        log = [l for l in document["logs"] if l["log"] == case.part.log.name][0]
        log[name] += rng.choice([1, 2])

    case.document(change)
    return case.seal()


@tampers("entries", "archive")
def document_that_is_none(rng, case):
    path = "data/bundle.json"
    body = case.files[path]
    case.files[path] = rng.choice([
        body.replace(b'"v":1', b'"v":2'), body.replace(b'"v":1', b'"v":1.0'), body[:-2] + b',"x":1}\n', body[:-1], body + body, body.replace(b'"begun"', b'"began"'),
        body.replace(b'"v":1,', b'"v":1,"v":1,'), body.replace(b":", b": ", 1), body.replace(b'"kind":"', b'"kind":"x', 1), body.replace(b'"export":"x-', b'"export":"y-')])
    return case.seal()


@edit("controls.ndjson", "entries", kinds=["time", "purged", "restored", "rotated", "compliance"])
def controls_swapped(rng, shown, case):
    shown[0], shown[-1] = shown[-1], shown[0]


@tampers("entries")
def tip_that_is_not_last(rng, case):
    """The tip of an older tree, with the proof of this one's."""
    shown, part = case.lines("proofs.ndjson"), case.part
    shown[-1]["tip"] = part.log.records[part.size - 2].entry
    case.put("proofs.ndjson", shown)
    return case.seal()


# --- chain, commitments, inclusion -----------------------------------------------


@edit("records.ndjson", "chain", "controls", kinds=[k for k in RUNS if k != "purged"])
def entry_rewritten(rng, shown, case):
    """Another writer in an entry: the next one's prev is of the true one."""
    line = shown[rng.randrange(len(shown) - 1)]
    e = entry_of(line)
    line["entry"] = line["entry"].replace(f'"writer":"{e["writer"]}"'.replace("\\", "\\\\"), '"writer":"p-zzzzzzzz"') if "\\" not in e["writer"] else line["entry"]
    if "p-zzzzzzzz" not in line["entry"]:
        return False


@edit("records.ndjson", "commitments")
def payload_changed(rng, shown, case):
    lines = [l for l in paid(shown) if l["payload"]]
    if not lines:
        return False
    line = rng.choice(lines)
    at = rng.randrange(len(line["payload"]))
    line["payload"] = line["payload"][:at] + chr((ord(line["payload"][at]) + 1) % 128) + line["payload"][at + 1 :]


@edit("records.ndjson", "commitments")
def salt_changed(rng, shown, case):
    line = rng.choice([l for l in shown if "salt" in l] or [None])
    if line is None:
        return False
    line["salt"] = other_b64(rng, line["salt"])


@edit("controls.ndjson", "commitments")
def control_payload_changed(rng, shown, case):
    line = rng.choice(shown)
    line["payload"] = line["payload"].replace("p-4x8w2c", "p-5x8w2c") if BY in line["payload"] else line["payload"] + " "


@edit("records.ndjson", "commitments", kinds=RUNS)
def payloads_swapped(rng, shown, case):
    lines = [l for l in paid(shown) if entry_of(l)["kind"] == "record"]
    if len(lines) < 2:
        return False
    one, other = rng.sample(lines, 2)
    one["payload"], other["payload"] = other["payload"], one["payload"]
    one["salt"], other["salt"] = other["salt"], one["salt"]


@tampers("commitments", kinds=["files"])
def large_payload_changed(rng, case):
    one, other = rng.sample([p for p in case.files if p.endswith(".bin")], 2)
    change = rng.randrange(3)
    if change == 0:
        case.files[one], case.files[other] = case.files[other], case.files[one]
    else:
        case.files[one] = case.files[one][: -rng.randrange(1, 99)] if change == 1 else b"\0" + case.files[one]
    return case.seal()


@tampers("commitments", kinds=["files"])
def a_file_too_many(rng, case):
    """No line names it; it lies before those that are named, or behind them."""
    bins = {p: body for p, body in case.files.items() if p.endswith(".bin")}
    more = {f"{case.log}/files/{rng.choice([0, 10**15 - 1]):015d}.bin": b"x" * 65537}
    made = {}
    for path, body in case.files.items():
        if path not in bins:
            made[path] = body
        if path == case.log + "/records.csv":
            made |= dict(sorted((bins | more).items()))
    case.files = made
    return case.seal()


@edit("proofs.ndjson", "inclusion")
def proof_changed(rng, shown, case):
    """A hash of a run's proof or the tip's is another, missing, or one too many."""
    lists = [l[name] for l in shown for name in ("left", "right", "proof") if l.get(name)]
    if not lists:
        return False
    hashes = rng.choice(lists)
    trick, at = rng.randrange(3), rng.randrange(len(hashes))
    if trick == 0:
        hashes[at] = other_b64(rng, hashes[at])
    elif trick == 1:
        hashes.pop(at)
    else:
        hashes.insert(at, hashes[at])


@edit("controls.ndjson", "inclusion")
def control_proof_changed(rng, shown, case):
    hashes = rng.choice(shown)["proof"]
    if hashes and rng.randrange(2):
        hashes.pop(rng.randrange(len(hashes)))
    else:
        hashes.insert(rng.randrange(len(hashes) + 1), b64(rng.randbytes(32)))


@edit("proofs.ndjson", "inclusion")
def proof_of_a_run_dropped(rng, shown, case):
    if len(shown) < 2:
        return False
    shown.pop(rng.randrange(len(shown) - 1))


@edit("proofs.ndjson", "inclusion", kinds=RUNS)
def run_in_two(rng, shown, case):
    """A run is as long as can be."""
    runs = [l for l in shown if l.get("first", 0) < l.get("last", 0)]
    if not runs:
        return False
    run = rng.choice(runs)
    i = shown.index(run)
    part = copy.copy(case.part)
    middle = rng.randrange(run["first"], run["last"])
    if middle + 2 > run["last"]:
        return False
    part.indexes = [*range(run["first"], middle + 1), *range(middle + 2, run["last"] + 1)]
    shown[i : i + 1] = [l for l in part.proofs() if "first" in l]


@edit("records.ndjson", "inclusion", kinds=RUNS)
def record_dropped(rng, shown, case):
    """A record is left out, and the proofs are those of the whole run."""
    shown.pop(rng.randrange(len(shown)))


@edit("records.ndjson", "inclusion", "chain", "controls")
def last_entry_rewritten(rng, shown, case):
    """The last entry of the run has another size and payload: no later one's prev tells."""
    line, e = shown[-1], entry_of(shown[-1])
    if "\\" in line["entry"] or e["kind"] != "record":
        return False
    line["entry"] = line["entry"].replace(f'"writer":"{e["writer"]}"', '"writer":"p-zzzzzzzz"')


# --- consistency -----------------------------------------------------------------


@edit("consistency.ndjson", "consistency", kinds=["since"])
def consistency_proof_of_another_length(rng, shown, case):
    line = rng.choice(shown)
    if line["proof"] and rng.randrange(2):
        line["proof"].pop()
    else:
        line["proof"].append(b64(rng.randbytes(32)))


@tampers("consistency", kinds=["since"])
def forked(rng, case):
    """The auditor's checkpoint is of another history, by the true key."""
    part = case.part
    size = rng.choice(part.since)
    twin = copy.copy(part.log)
    twin.leaves = [rng.randbytes(32), *part.log.leaves[1:]]
    case.since = [twin.checkpoint(size)]
    return case.seal()


@tampers("consistency", kinds=["custody", "range"])
def rolled_back(rng, case):
    """The auditor's checkpoint is newer than the bundle's."""
    part = case.part
    log = part.log
    while log.size <= part.size + 1:
        log.record(b"{}")
    case.since = [log.checkpoint(log.size)]
    return case.seal()


@tampers("consistency", kinds=["range"])
def nothing_shows_the_growth(rng, case):
    case.since = [case.part.log.checkpoint(rng.randrange(3, case.part.size))]
    return case.seal()


@tampers("consistency", kinds=["since"])
def since_of_another_key(rng, case):
    part = case.part
    case.since = [part.log.checkpoint(part.since[0], [Key(part.log.origin, rng.randbytes(32))])]
    return case.seal()


@edit("consistency.ndjson", "consistency", kinds=["since"])
def proof_that_does_not_lead_there(rng, shown, case):
    """A hash of the right line is another, and the auditor has the checkpoint."""
    lines = [l for l in shown if l["proof"]]
    if case.part.indexes[0] == 0:
        return False  # the entries themselves show it
    line = rng.choice(lines)
    line["proof"][0] = other_b64(rng, line["proof"][0])
    case.since = [case.part.log.checkpoint(line["from"])]


# --- controls --------------------------------------------------------------------


@edit("controls.ndjson", "controls")
def control_dropped(rng, shown, case):
    """Any control entry is left out, and the counts say so."""
    shown.pop(rng.randrange(len(shown)))


@edit("controls.ndjson", "inclusion", "entries", "chain")
def control_forged(rng, shown, case):
    """A record as a control entry; or an entry that was never in the log."""
    part = case.part
    r = rng.choice([r for r in part.log.records[: part.size] if r.kind == "record"])
    entry = r.entry if rng.randrange(2) else r.entry.replace('"kind":"record"', '"kind":"release"').split(',"retain_until"')[0].rstrip("}") + "}"
    try:
        payload = r.payload.decode()
    except UnicodeDecodeError:
        return False
    shown.append({"entry": entry, "salt": b64(r.salt), "payload": payload, "proof": [b64(h) for h in bundle_maker.inclusion(r.index, part.leaves)]})
    shown.sort(key=lambda l: entry_of(l)["index"])


# --- rules, as far as lines of records tell --------------------------------------


@edit("records.ndjson", "rules")
def said_to_be_purged(rng, shown, case):
    """A payload is left out as if it had been purged."""
    lines = [l for l in shown if "purged" not in l and "file" not in l and entry_of(l)["kind"] == "record"]
    if not lines:
        return False
    line = rng.choice(lines)
    entry, controls = line["entry"], [r.index for r in case.part.controls]
    line.clear()
    line |= {"entry": entry, "purged": rng.choice(controls + [case.part.size - 1])}


@edit("records.ndjson", "rules", kinds=["purged", "restored"])
def purged_but_shown(rng, shown, case):
    """What a purge entry covers has its payload still, is withheld, or names another entry."""
    lines = [l for l in shown if "purged" in l]
    line = rng.choice(lines)
    r = case.part.log.records[entry_of(line)["index"]]
    trick, entry, purged = rng.randrange(3), line["entry"], line["purged"]
    line.clear()
    line["entry"] = entry
    if trick == 0:
        line |= {"salt": b64(r.salt), "payload": r.payload.decode()}
    elif trick == 1:
        line["withheld"] = rng.choice(["unreadable", "not_requested", "restricted"])
    else:
        line["purged"] = rng.choice([c.index for c in case.part.controls if c.index != purged])


# --- custody ---------------------------------------------------------------------


@tampers("custody")
def custody_forged(rng, case):
    """The receipt of this export's beginning: dropped, of another request, changed, without its proof."""
    path = "data/custody.ndjson"
    lines = case.files[path].decode().splitlines()
    first = json.loads(lines[0])
    trick = rng.randrange(8)
    if trick == 0:
        case.files[path] = b""
        return case.seal()
    if trick == 1:
        case.document(lambda d: d["request"].update(reason="another reason") or d.update(reason="another reason"))
        return case.seal()
    if trick == 2:
        first["payload"] = first["payload"].replace(BY, OTHER)
    elif trick == 3:
        first["proof"] = first["proof"] + [b64(bytes(32))]
    elif trick == 4:
        first["checkpoint"] = first["checkpoint"].rpartition("\n\n")[0] + "\n\n\u2014 x AAAAAAAA\n"
    elif trick == 5:
        first["keys"] = []
    elif trick == 6:
        first["salt"] = other_b64(rng, first["salt"])
    else:
        first["index"] += 1
    case.files[path] = bundle_maker.lines([first, *map(json.loads, lines[1:])])
    return case.seal()


@tampers("custody")
def custody_that_is_no_json(rng, case):
    path = "data/custody.ndjson"
    body = case.files[path]
    case.files[path] = rng.choice([body[:-1], b"\n" + body, body.replace(b"{", b"{ ", 1), body[:-2] + b"\n", body.replace(b"{", b'{"log":"_system",', 1), b"[]\n"])
    return case.seal()


@tampers("custody")
def custody_of_another_export(rng, case):
    case.files["data/custody.ndjson"] = bundle_maker.make("range", 23).make_custody()
    return case.seal()


@tampers("custody", kinds=["custody"])
def custody_out_of_order(rng, case):
    path = "data/custody.ndjson"
    lines = case.files[path].decode().splitlines(True)
    case.files[path] = "".join(lines[1:] + lines[:1] if rng.randrange(2) else lines + lines[-1:]).encode()
    return case.seal()


@tampers("custody")
def begun_by_another(rng, case):
    name, value = rng.choice([("requester", OTHER), ("begun", instant(0)), ("reason", "no reason")])
    case.document(lambda d: d.update({name: value}))
    return case.seal()

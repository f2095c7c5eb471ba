"""Classes of tampering by a server that lies from the beginning: histories that its logs must not have, and bundles that
claim to be complete. All of it is proven and signed with the right keys."""
import hashlib

from bundle_case import tampers
from bundle_maker import DAY, POLICY, Bundle, Part, events, request, search_statement, start, whole
from bundle_model import BY, OTHER, SECOND, Key, b64, instant, key_statement, note, tree_root


def history(*checks):
    """A class whose function makes a log, and may give what to change in its Part, or a Bundle."""

    def register(function):
        def make(rng, case):
            seed = rng.randrange(10**6)
            made = function(rng, *start(seed)[1:])
            case.bundle = made if isinstance(made, Bundle) else whole(made, [made.logs["payments"]])
            return case.bundle.files()

        make.__name__ = function.__name__
        tampers(*checks, kinds=["range"])(make)
        return function

    return register


# --- purges ----------------------------------------------------------------------


@history("rules")
def early_purge(rng, server, log):
    """By one nanosecond, or by years."""
    made = log.record(b"secret", seconds=5)
    late = rng.choice([5 * SECOND - 1, 1, SECOND])
    when = instant(log.records[made].when + late)
    server.tick(10 * SECOND)
    log.purge([[made, made]], clock={"state": "ok", "evidence": when, "lock": when})
    return server


@history("rules")
def purge_by_one_clock(rng, server, log):
    """Only one of the two clocks says that the lock is over."""
    made = log.record(b"secret", seconds=DAY)
    end = log.records[made].when + DAY * SECOND
    clocks = [instant(end - rng.randrange(1, DAY * SECOND)), instant(end + SECOND)]
    rng.shuffle(clocks)
    log.purge([[made, made]], clock={"state": "warn", "evidence": clocks[0], "lock": clocks[1]})
    return server


@history("rules")
def purge_of_what_was_extended(rng, server, log):
    made = log.record(b"secret", seconds=rng.choice([1, None]))
    log.extend([[made, made + 5]], server.now + DAY * SECOND)
    if rng.randrange(2):
        log.extend([[made, made]], server.now)
    server.tick(10 * SECOND)
    log.purge([[made, made]])
    return server


@history("rules")
def purge_of_what_was_shortened_and_extended(rng, server, log):
    made = log.record(b"secret", seconds=DAY)
    log.extend([[made, made]], server.now + SECOND, shorten=True, approved_by=OTHER)
    log.extend([[made, made]], server.now + DAY * SECOND)
    server.tick(10 * SECOND)
    log.purge([[made, made]])
    return server


@history("rules")
def purge_before_the_event(rng, server, log):
    made = log.record(b"secret", event="closed")
    log.event("closed" if rng.randrange(2) else "opened", server.now, server.now + DAY * SECOND)
    server.tick(10 * SECOND)
    log.purge([[made, made]])
    return server


@history("rules")
def purge_by_an_earlier_event(rng, server, log):
    """The event of that name came before the record."""
    log.event("closed", server.now, server.now + SECOND)
    made = log.record(b"secret", event="closed")
    server.tick(10 * SECOND)
    log.purge([[made, made]])
    return server


@history("rules")
def purge_under_a_hold(rng, server, log):
    made = log.record(b"secret")
    trick = rng.randrange(6)
    if trick == 0:
        log.hold("h-aaaaaaaaaa", [[0, made]])
    elif trick == 1:
        log.hold("h-aaaaaaaaaa", [], open_from=made)
    elif trick == 2:
        log.hold("h-aaaaaaaaaa", [[made, made]])
        log.hold("h-bbbbbbbbbb", [[made, made]])
        log.release("h-bbbbbbbbbb")
    elif trick == 3:  # an entry of the hold without open_from ends that, and adds to its ranges
        log.hold("h-aaaaaaaaaa", [], open_from=made)
        log.hold("h-aaaaaaaaaa", [[made, made]])
    elif trick == 4:  # a client's record that says so releases nothing
        log.hold("h-aaaaaaaaaa", [[made, made]])
        log.record(b'{"type":"release","hold":"h-aaaaaaaaaa","by":"p-4x8w2c"}')
    else:
        log.hold("h-aaaaaaaaaa", [[made, made + 100]], open_from=made + 101)
    server.tick(10 * SECOND)
    log.purge([[made, made]])
    return server


@history("rules")
def purge_judged_by_old_entries(rng, server, log):
    """allowed_by is an entry before the hold or the extension."""
    made = log.record(b"secret")
    before = log.ctl
    if rng.randrange(2):
        log.hold("h-aaaaaaaaaa", [[made, made]])
    else:
        log.extend([[made, made]], server.now + DAY * SECOND)
    log.purge([[made, made]], allowed_by=before)
    return server


@history("rules")
def purge_without_a_second(rng, server, log):
    log.policy(POLICY | {"dual_control": ["policy.change", "purge"]})
    made = log.record(b"secret")
    log.purge([[made, made]], approved_by=rng.choice([None, BY, ""]))
    return server


@history("rules")
def purge_by_an_older_policy(rng, server, log):
    """The policy that it names asked for no second principal."""
    made = log.record(b"secret")
    log.policy(POLICY | {"dual_control": ["purge"]})
    log.purge([[made, made]], policy=0)
    return server


@history("rules")
def purge_that_says_another(rng, server, log):
    """count, root, ranges, allowed_by or policy are not those."""
    made = [log.record(b"secret %d" % i) for i in range(4)]
    wrong = rng.choice([
        {"count": 3}, {"root": b64(tree_root([log.leaves[made[1]], log.leaves[made[0]]]))}, {"allowed_by": made[0]}, {"policy": made[1]},
        {"root": "AAAA"}, {"allowed_by": 99}, {"allowed_by": None}, {"clock": None}, {"policy": None}, {"type": "purged"}])
    log.purge([[made[0], made[1]]], **wrong)
    return server


@history("rules")
def purge_of_what_cannot_be(rng, server, log):
    """A control entry, a record twice, one that is not there yet, ranges out of order."""
    made = [log.record(b"secret %d" % i) for i in range(4)]
    trick = rng.randrange(4)
    if trick == 0:
        control = log.extend([[made[0], made[0]]], server.now)
        log.purge([[made[3], control]])
        log.purged.pop(control)
    elif trick == 1:
        log.purge([[made[0], made[1]]])
        log.purge([[made[1], made[2]]])
    elif trick == 2:
        log.leaves.append(bytes(32))
        text = [made[0], log.size]
        log.leaves.pop()
        log.purge([[made[0], made[0]]], ranges=[text], count=text[1] - text[0] + 1)
    else:
        log.purge([[made[0], made[1]]], ranges=[[made[1], made[1]], [made[0], made[0]]])
    return server


@history("rules")
def restored_without_a_restore(rng, server, log):
    made = log.record(b"secret", seconds=DAY)
    claims = {name: None for name in ("policy", "allowed_by", "clock", "plan", "by")}
    log.purge([[made, made]], restored={"entry": 7}, **claims)
    return server


# --- policies and locks ----------------------------------------------------------


STRICT = {"mode": "governance", "retain": {"default": "2y", "min": "1y", "max": "10957d"}, "dual_control": ["policy.change", "purge"],
          "quota": {"bytes": 5 * 10**11}, "public": False}


@history("rules")
def weaker_in_compliance(rng, server, log):
    begun = {"mode": "compliance"} if rng.randrange(2) else {"compliance_from": instant(server.now)}
    server.tick(SECOND)
    log.policy(STRICT | begun)
    retain = rng.choice([
        {"default": "1y", "min": "1y", "max": "30y"}, {"min": "1y", "max": "30y"}, {"default": "2y", "max": "30y"}, {"default": "2y", "min": "365d", "max": "30y"},
        {"default": "2y", "min": "1y", "max": "29y"}, {"default": "730d", "min": "1y", "max": "30y"}, {"default": "P23M", "min": "1y", "max": "30y"}])
    weak = rng.choice([STRICT | begun | {"retain": retain}] * 6 + [STRICT | begun | {"dual_control": ["purge"]}, STRICT, STRICT | {"mode": "none"},
                       STRICT | {"compliance_from": instant(server.now + DAY * SECOND)}])
    log.policy(weak)
    return server


@history("rules")
def longest_where_none_was(rng, server, log):
    log.policy(STRICT | {"mode": "compliance", "retain": {"default": "2y"}})
    log.policy(STRICT | {"mode": "compliance", "retain": {"default": "2y", "max": "90y"}})
    return server


@history("rules")
def shortened_without_a_second(rng, server, log):
    made = log.record(b"{}", seconds=DAY)
    second = rng.choice([{}, {"approved_by": BY}, {"approved_by": ""}])
    log.extend([[made, made]], server.now, shorten=True, **second)
    return server


@history("rules")
def shortened_in_compliance(rng, server, log):
    trick = rng.randrange(3)
    if trick == 0:
        made = log.record(b"{}", seconds=DAY, mode="compliance")
    elif trick == 1:
        made = log.record(b"{}", event="closed")
    else:
        made = log.record(b"{}", seconds=DAY)
        log.policy(STRICT | {"mode": "compliance"})
    log.extend([[made, made]], server.now, shorten=True, approved_by=OTHER)
    return server


@history("rules")
def control_entry_that_says_nothing(rng, server, log):
    kind, said = rng.choice([
        ("extend", {"type": "extend"}), ("hold", {"type": "hold", "ranges": [[0, 1]]}), ("release", {"type": "release"}), ("event", {"type": "event", "event": "x"}),
        ("purge", {"type": "purge", "ranges": []}), ("policy", {"by": BY}), ("key", {"key_statement": "x"}), ("hold", {"type": "hold", "hold": "h", "ranges": [[2, 1]]}),
        ("extend", {"type": "extend", "ranges": [[1, 1]], "until": "2037-11-05T15:48:00Z", "by": BY})])
    log.control(kind, said)
    return server


@history("rules", "keys")
def rotation_kept_secret(rng, server, log):
    """The log has a `key` entry, and the old key signs on as if it had not."""
    log.record(b"{}")
    log.rotate()
    log.record(b"{}")
    old = log.epochs[0]
    part = Part(log, list(range(log.size)), checkpoint=log.checkpoint(keys=[old.key]), keys=[old.statement])
    return Bundle(server, "range", [part], request("range", ["payments"]))


def stated_by_the_old(server, log):
    """The log's next key is stated by the server's first identity, whoever speaks for it now."""
    epoch = log.epochs[-1].number + 1
    log.next_epoch(epoch, log.size + 1)
    log.epochs[-1].statement = key_statement(server.identities[0], log.key, epoch, log.size + 1)
    log.control("key", {"key_statement": log.epochs[-1].statement})


@history("keys")
def statement_made_too_late(rng, server, log):
    """An identity that was replaced goes on stating keys: entries between show it."""
    server.succeed()
    events(log, rng, 3)
    stated_by_the_old(server, log)
    events(log, rng, 3)
    return server


@history("keys")
def later_epoch_by_an_earlier_identity(rng, server, log):
    """It states one from the first size on, so that no entry is between; its key signs the checkpoint."""
    events(log, rng, 3)
    server.succeed()
    log.rotate()
    events(log, rng, 3)
    key = Key(log.origin, rng.randbytes(32))
    keys = [e.statement for e in log.epochs] + [key_statement(server.identities[0], key, 9, 1)]
    part = Part(log, list(range(log.size)), checkpoint=log.checkpoint(keys=[key]), keys=keys)
    return Bundle(server, "range", [part], request("range", ["payments"]))


# --- chain and ctl ---------------------------------------------------------------


@history("chain")
def time_goes_back(rng, server, log):
    events(log, rng, 4)
    log.record(b"{}", when=server.now - 5 * SECOND)
    events(log, rng, 2)
    shown = list(range(log.size))
    if rng.randrange(2):
        shown = [log.size - 4, log.size - 3]
    return Bundle(server, "selection", [Part(log, shown)], request("selection", ["payments"]))


@history("chain")
def chain_of_another_entry(rng, server, log):
    events(log, rng, 4)
    true = log.leaves[-1]
    log.leaves[-1] = rng.randbytes(32)
    log.record(b"{}")
    log.leaves[-2] = true
    events(log, rng, 2)
    return server


@history("controls")
def control_entry_passed_over(rng, server, log):
    """Later entries point past a hold, which is not shown."""
    made = log.record(b"{}")
    before = log.ctl
    hidden = log.hold("h-aaaaaaaaaa", [[made, made]])
    log.ctl = before
    events(log, rng, 3)
    part = Part(log, list(range(log.size)))
    if rng.randrange(2):
        log.record(b"{}")
        log.policy(POLICY)
        part = Part(log, list(range(log.size)))
    bundle = Bundle(server, "range", [part], request("range", ["payments"]))
    part.__class__ = type("Hiding", (Part,), {"controls": property(lambda self: [r for r in Part.controls.fget(self) if r.index != hidden])})
    return bundle


@history("controls")
def ctl_that_is_not_the_nearest(rng, server, log):
    made = log.record(b"{}")
    log.extend([[made, made]], server.now)
    log.hold("h-aaaaaaaaaa", [[made, made]])
    true, log.ctl = log.ctl, 0
    log.record(b"{}")
    log.ctl = true
    events(log, rng, 2)
    return server


# --- completeness ----------------------------------------------------------------


def claim(rng, server, log, kind, asked, indexes, **more):
    return Bundle(server, kind, [Part(log, indexes, **more)], request(kind, ["payments"], **asked))


@history("completeness")
def shorter_than_asked(rng, server, log):
    events(log, rng, 20)
    first, last = sorted(rng.sample(range(2, 19), 2))
    shown = list(range(first, last + 1))
    asked = rng.choice([{}, {"first": first - 1}, {"first": first - 2, "last": last}, {"first": first, "last": last + 1}, {"last": last}])
    return claim(rng, server, log, "range", asked, shown)


@history("completeness")
def a_hole_in_the_range(rng, server, log):
    events(log, rng, 20)
    hole = rng.randrange(1, 19)
    return claim(rng, server, log, "range", {}, [i for i in range(log.size) if i != hole])


@history("completeness")
def forged_not_requested(rng, server, log):
    made = events(log, rng, 20)
    hidden = rng.choice(made[3:-3])
    asked = rng.choice([{}, {"first": 0}, {"records": {"payments": [[hidden, hidden]]}},
                        {"received_from": instant(log.records[1].when), "received_to": instant(server.now + 1)}])
    withheld = {hidden: "not_requested"}
    if "records" in asked:
        withheld = {i: "not_requested" for i in made}
    return claim(rng, server, log, "range", asked, list(range(log.size)), withheld=withheld)


@history("completeness")
def nothing_beside_the_time(rng, server, log):
    """The range by time has no entry beside it, or too many, or begins later."""
    events(log, rng, 20)
    first, last = 5, 12
    asked = {"received_from": instant(log.records[first].when), "received_to": instant(log.records[last].when + 1)}
    first, last = rng.choice([(first, last + 1), (first - 1, last), (first - 2, last + 1), (first - 1, last + 2), (first + 1, last + 1), (first - 1, last - 1)])
    withheld = {i: "not_requested" for i in (3, 4, 13, 14)}
    return claim(rng, server, log, "range", asked, list(range(first, last + 1)), withheld=withheld)


@history("completeness")
def a_log_left_out(rng, server, log):
    events(log, rng, 3)
    return Bundle(server, "range", [Part(log, list(range(log.size)))], request("range", ["access", "payments"]))


def certified(rng, server, log, change):
    """A selection whose certificate or records are not those."""
    chosen = sorted(rng.sample(events(log, rng, 20), 7))
    asked = request("selection", ["payments"], filter='actor = "alice"', certify=True)
    said = {"chosen": chosen, "shown": chosen, "key": log.key} | change(chosen, log)
    certificate = said.get("certificate") or search_statement([log], {"payments": said["chosen"]}, server, key=said["key"])
    if "edit" in said:
        certificate = said["edit"](certificate)
    if said.get("grow"):
        events(log, rng, 2)
    return Bundle(server, "selection", [Part(log, said["shown"])], asked, certificate=certificate)


@history("completeness")
def a_match_left_out(rng, server, log):
    left = rng.randrange(7)
    return certified(rng, server, log, lambda chosen, _: {"shown": chosen[:left] + chosen[left + 1 :]})


@history("completeness")
def a_match_too_many(rng, server, log):
    return certified(rng, server, log, lambda chosen, log: {"shown": sorted({*chosen, rng.choice([i for i in range(1, log.size) if i not in chosen])})})


@history("completeness")
def certificate_of_another_tree(rng, server, log):
    return certified(rng, server, log, lambda chosen, log: {"grow": True})


@history("completeness")
def certificate_by_another_key(rng, server, log):
    return certified(rng, server, log, lambda chosen, log: {"key": rng.choice([Key(log.origin, rng.randbytes(32)), server.identity])})


@history("completeness")
def certificate_edited(rng, server, log):
    """Its evidence or its statement has another byte."""

    def edit(body):
        at = rng.randrange(len(body))
        return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]

    return certified(rng, server, log, lambda chosen, log: {"edit": edit})


@history("completeness")
def certificate_of_a_part(rng, server, log):
    """Signed anew: its parts leave a gap, do not reach the size, or its counts cannot be."""
    old, new = rng.choice([("scanned 0 ", "scanned 1 "), ("scanned 0 20", "scanned 0 19"), ("scanned 0 20", "scanned 0 9\nscanned 11 20"),
                           ("matched", "matched 0"), ("unreadable 0", "unreadable 1"), ("purged 0", "purged 99"), ("scanned 20\n", "scanned 40\n")])

    def edit(body):
        evidence, _, statement = body.decode().partition("\n\n")
        text = statement.rpartition("\n\n")[0] + "\n"
        evidence = (evidence + "\n").replace(old, new)
        text = text.replace(old, new) if old in ("unreadable 0", "purged 0", "scanned 20\n") else text
        text = text[: text.rindex("evidence_bytes")]
        text += f"evidence_bytes {len(evidence)}\nevidence {b64(hashlib.sha256(evidence.encode()).digest())}\n"
        return (evidence + "\n" + note(text, log.key)).encode()

    return certified(rng, server, log, lambda chosen, log: {"edit": edit})


@history("completeness")
def certificate_missing(rng, server, log):
    chosen = events(log, rng, 9)[2:5]
    return Bundle(server, "selection", [Part(log, chosen)], request("selection", ["payments"], filter='actor = "alice"', certify=True))

"""Classes of forged completeness: search certificates whose indexes are shown in part, altered or without need. The log's key signs
the manifests and statements anew, so that nothing but the check of the index (section 9, steps 4 to 8) can find it."""
import hashlib

import query_reference
from bundle_case import tampers
from bundle_index import Bits, Certificate, payload_terms
from bundle_maker import DAY, compact, searched, start
from proof import leaf_hash

ASKED = ['actor = "alice"', 'actor = "alice" OR actor = "nobody"', 'any = "alice" AND action = "pay"', 'event_id = "9" AND writer:"p-4x8w2c"']


def forged(function):
    """A class whose function changes a Certificate of one segment and some records behind it; None: that one has nothing for it."""

    def make(rng, case):
        log = start(rng.randrange(10**6))[2]
        for n in range(rng.randrange(24, 40)):
            said = {"actor": rng.choice(["alice", "bob"]), "action": "pay", "n": n, "amount": "5.50"}
            log.record(compact(said).encode(), seconds=7 * 365 * DAY)
        asked = rng.choice(ASKED)
        certificate = Certificate(rng, log, asked, [log.size - 3], payload_terms, entries_of_page=2, bare=4)
        made = function(rng, certificate)
        if made is False:
            return None
        case.bundle = searched(log, certificate.filter, certificate)
        return case.bundle.files()

    make.__name__ = function.__name__
    tampers("completeness", kinds=["indexed"])(make)
    return function


def rebuilt(shown, number, page):
    """The tree is made anew over another page of that number."""
    shown.index.pages[number] = page


def entries(index, number):
    at = number * index.entries_of_page
    return index.table[at : at + index.entries_of_page]


# --- what has to be shown --------------------------------------------------------


@forged
def page_left_out(rng, c):
    """The page on which a term is, or would be, is not shown."""
    shown = c.parts[0]
    shown.pages.remove(rng.choice(shown.pages))


@forged
def other_page_shown(rng, c):
    """Another page of the same index stands for the one that is asked for, under its own number."""
    shown = c.parts[0]
    others = [n for n in range(len(shown.index.pages)) if n not in shown.pages]
    shown.pages[rng.randrange(len(shown.pages))] = rng.choice(others)
    shown.pages.sort()


@forged
def other_page_under_its_number(rng, c):
    """The bytes of another page, under the number of the one that is asked for, in a tree made for that."""
    shown = c.parts[0]
    number = rng.choice(shown.pages)
    other = rng.choice([n for n in range(len(shown.index.pages)) if n != number])
    rebuilt(shown, number, shown.index.pages[other])


@forged
def page_without_the_term(rng, c):
    """An entry is gone from the page, of which the signed tree does not know."""
    shown = c.parts[0]
    number = rng.choice(shown.pages)
    left = entries(shown.index, number)
    if len(left) < 2:
        return False
    drop = rng.randrange(len(left))
    shown.plain[number] = shown.index.page(number, left[:drop] + left[drop + 1 :])
    return None


@forged
def page_that_ends_elsewhere(rng, c):
    """The range that a page says of itself is not the one that the head's list has: a term between is on neither."""
    shown = c.parts[0]
    index, number = shown.index, rng.choice(shown.pages)
    page = index.pages[number]
    low, high = index.lowest[number], index.next_lowest(number)
    low, high = rng.choice([(low, high - 1), (low, high + 1), (low + 1, high), (0, 1 << index.bits) if len(index.pages) > 1 else (low + 1, high)])
    rebuilt(shown, number, page[:16] + low.to_bytes(8, "little") + high.to_bytes(8, "little") + page[32:])


@forged
def page_needless(rng, c):
    """One page more is shown than the filter asks for."""
    shown = c.parts[0]
    others = [n for n in range(len(shown.index.pages)) if n not in shown.pages]
    shown.pages = sorted([*shown.pages, rng.choice(others)])


@forged
def posting_left_out(rng, c):
    shown = c.parts[0]
    if not shown.postings:
        return False
    shown.postings.remove(rng.choice(shown.postings))
    return None


@forged
def posting_forged(rng, c):
    """A posting that its page does not know, and that has fewer records or more."""
    shown = c.parts[0]
    if not shown.postings:
        return False
    box = Bits()
    box.posting(rng, set(rng.sample(range(shown.index.count), 7)), shown.index.count)
    shown.postings[rng.randrange(len(shown.postings))] = rng.randbytes(16) + box.bytes()
    return None


@forged
def posting_needless(rng, c):
    shown = c.parts[0]
    spare = [p for p in shown.index.postings.values() if p not in shown.postings]
    shown.postings.append(rng.choice(spare) if spare and rng.randrange(2) else rng.randbytes(20))


@forged
def index_that_answers_nothing(rng, c):
    """A filter that no index answers, and one is shown."""
    c.filter = rng.choice(['amount = "5.50"', 'NOT actor = "bob"', 'actor = "al*"', 'actor != "bob"', "", 'source_ip = "10.0.0.0/8"', 'actor = "2026-11-23"',
                           'actor = "alice" OR n = 3', "actor = null", 'actor = ""', 'action > "a"'])
    shown, pages, postings = c.parts[0], set(), set()
    shown.index.ask(query_reference.parse(c.filter.encode()), pages, postings)
    shown.pages = sorted(pages) if rng.randrange(2) else []
    shown.postings = shown.index.needed(postings) if shown.pages else []


@forged
def filter_of_another_spelling(rng, c):
    """Not in its canonical text, in the request as well."""
    c.filter = rng.choice([f" {c.filter}", c.filter.replace(" = ", "=", 1), c.filter.replace('"', "'"), f"({c.filter})", f"{c.filter} AND", f"NOT NOT {c.filter}",
                           c.filter.replace('"alice"', "alice").replace('"9"', "'9'")])


@forged
def filter_of_another_question(rng, c):
    """The pages are those of another filter than the one that is stated."""
    for asked in rng.sample(ASKED, len(ASKED)):
        pages, postings = set(), set()
        c.parts[0].index.ask(query_reference.parse(asked.encode()), pages, postings)
        if pages != set(c.parts[0].pages):
            c.filter = asked
            return None
    return False


# --- matches and counts ----------------------------------------------------------


@forged
def match_that_the_index_rules_out(rng, c):
    """A record that the filter's terms do not have is among the matches, and in the bundle."""
    shown = c.parts[0]
    out = [i for i in range(1, shown.index.count) if i not in c.may]
    if not out:
        return False
    c.found = sorted({*c.found, rng.choice(out)})
    return None


@forged
def match_that_is_a_control_entry(rng, c):
    """The head has a record among the control entries, and one of these not: their number is right."""
    shown = c.parts[0]
    inside = [i for i in c.found if i < shown.index.count]
    if not inside:
        return False
    shown.index.controls = {rng.choice(inside)}
    shown.index.head = shown.index.make_head()
    return None


@forged
def counts_that_the_index_denies(rng, c):
    """Fewer records were looked at than there are, or more cannot be judged than may match."""
    shown = c.parts[0]
    most = len([i for i in c.may if i < shown.index.count]) + len(shown.index.unsure) + c.log.size - c.scanned_from
    c.said |= rng.choice([{"scanned": shown.index.count - 2}, {"unparsed": most - len(c.found) + 1}, {"purged": most - len(c.found) + 1}])
    return None if c.said["unparsed"] + c.said["purged"] + len(c.found) <= c.log.size - 1 else False


@forged
def counts_that_the_log_denies(rng, c):
    """A record fewer than the log has, in what was scanned without an index."""
    c.said["scanned"] = c.log.size - 2


# --- what does not follow the format ---------------------------------------------


@forged
def page_of_another_format(rng, c):
    """In a tree made for that."""
    shown = c.parts[0]
    index, number = shown.index, rng.choice(shown.pages)
    page, mine = index.pages[number], entries(index, number)
    trick = rng.randrange(5)
    if trick == 0:
        page += rng.choice([b"\0", b"\1"])
    elif trick == 1:
        page = page[:32] + (len(mine) + 1).to_bytes(2, "little") + page[34:]
    elif trick == 2:
        page = page[: rng.randrange(len(page))]
    elif trick == 3:
        page = page[:32] + b"\0\0"
    else:  # one ordinal beyond the last
        w = Bits()
        w.code(mine[0][0] - index.lowest[number], 2)
        w.put(0b011, 3)
        w.put(0, 1)
        w.code(1, 0)
        w.put(3, 5)
        w.code(index.count, 3)
        page = page[:32] + b"\1\0" + w.bytes()
    rebuilt(shown, number, page)


@forged
def run_beyond_the_last_record(rng, c):
    """Two runs of 32, of which there are not so many; in a tree made for that."""
    put_runs(rng, c, lambda w, count: (w.code(0, 0), w.code(0, 0), w.code((count - 1 >> 5) + rng.randrange(2), 0)))


@forged
def more_runs_than_there_may_be(rng, c):
    """65 runs; in a tree made for that."""
    put_runs(rng, c, lambda w, _: [w.code(n, 0) for n in [63] + [0] * 65])


def put_runs(rng, c, put):
    """A page whose one entry has these runs. Nothing is said to match of which the index says something."""
    index, number, w = c.parts[0].index, rng.choice(c.parts[0].pages), Bits()
    w.code(entries(index, number)[0][0] - index.lowest[number], 2)
    w.put(0b01, 2)
    put(w, index.count)
    rebuilt(c.parts[0], number, index.pages[number][:32] + b"\1\0" + w.bytes())
    c.found = [i for i in c.found if i >= c.scanned_from]


@forged
def posting_of_another_format(rng, c):
    """Its page has the hash of what is no posting."""
    shown = c.parts[0]
    boxed = [d for d, p in shown.index.postings.items() if p in shown.postings]
    if not boxed:
        return False
    index, digest = shown.index, rng.choice(boxed)
    number, old = index.page_of(digest), index.postings[digest]
    bad = rng.choice([old + b"\0", old[:-1], old[:10], rng.randbytes(16) + b"\xff" * 9])
    mine = entries(index, number)
    whole = {d: p for d, p in index.postings.items() if p in shown.postings}
    plain = index.entry
    index.entry = lambda w, d, ordinals: boxed_as(w, bad) if d == digest else plain(w, d, ordinals)
    rebuilt(shown, number, index.page(number, mine))
    index.postings[digest] = bad
    shown.postings = index.needed(whole)
    return None


def boxed_as(w, plain):
    w.put(0b111, 3)
    w.put(0, 80)
    w.put(int.from_bytes(hashlib.sha256(plain).digest(), "little"), 256)


@forged
def head_of_another_format(rng, c):
    shown = c.parts[0]
    index, head = shown.index, shown.index.head
    trick = rng.randrange(6)
    if trick == 0:
        head += b"\0"
    elif trick == 1:
        head = rng.choice([b"\1", b"\3"]) + head[1:]
    elif trick == 2:
        head = head[: rng.randrange(65, len(head))]
    elif trick == 3:  # its list has a page begin elsewhere than the page says
        index.lowest[rng.choice(shown.pages) or 1] += 1
        head = index.make_head()
    elif trick == 4:
        index.bits += 1
        head = index.make_head()
    else:
        index.count += 1
        head = index.make_head()
        index.count -= 1
    index.head = head


@forged
def manifest_of_another_format(rng, c):
    old, new = rng.choice([("generation 1\n", "generation 0\n"), ("data_key 7\n", "data_key 7\nextra 1\n"), ("data_key 7\n", ""), ("log 1\nfirst 0\n", "first 0\nlog 1\n"),
                           ("file_bytes 24576", "file_bytes 024576"), ("software steled/0.1.0", "software "), ("data_key 7\n", "purged 0\ndata_key 7\n"),
                           ("generation 1\n", "generation 1\nreplaces 0-4\n"), ("file_bytes", "file_byte")])
    c.parts[0].edit = lambda text: text.replace(old, new)


@forged
def evidence_of_another_spelling(rng, c):
    """Blanks that no grammar has."""
    kept, old, new = c.evidence, *rng.choice([(b"proof ", b"proof  "), (b"matched ", b"matched  "), (b"\nscanned ", b"\nscanned  "), (b"\nmatched", b"\nmatched "),
                                              (b"page ", b"page 0")])
    text = kept()
    if text.count(old) == 0 or old == b"\nmatched" and b"\nmatched\n" not in text:
        return False
    c.evidence = lambda: text.replace(b"\nmatched\n", b"\nmatched \n") if old == b"\nmatched" else text.replace(old, new, 1)
    return None

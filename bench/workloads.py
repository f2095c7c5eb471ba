"""What is measured, each beside its floor (design.md section 11).

A workload is a function of a Bench that yields rows. Floor and stele take
turns, round by round, so that a machine that slows down slows both; a figure
is the median of its rounds, a ratio the median of the rounds' ratios.
"""
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median

from harness import BenchError, Stele

FEW_CONNECTIONS = 4
BATCH_BYTES = 1_000_000
READ_RECORDS = 50_000
MANY_LOGS = 500
MANY_METRICS = ("commits", "records", "sign_seconds")
KIB_PER_MIB = 1024
HANDSHAKES_AT_ONCE = 64
ALLOWED_MIB = 1e8 / 2**20
ALLOWED_START_SECONDS = 0.5
START_SEGMENTS = 1000
START_STEP = 5_000_000  # filled in, then sealed: the WAL stays small
SETTLE_SECONDS = 3600  # fifty million records are sealed in half of that
SETTLED_FILES = 5  # two that wait, the current one, the next and a spare one


@dataclass
class Row:
    """One line of the report."""

    name: str
    unit: str
    figure: float
    floor: float
    ratio: float
    target: float | None  # None: nothing was promised
    at_least: bool = True
    floor_name: str = "echo"
    rounds: list = field(default_factory=list)

    @property
    def ok(self):
        if self.target is None:
            return True
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target

    def as_json(self):
        return {**asdict(self), "ok": self.ok}


def row_of(name, unit, pairs, target, key, **more):
    """A row from (floor's result, stele's result) pairs, by one key of both."""
    figures = [ours[key] for _, ours in pairs]
    floors = [floor[key] for floor, _ in pairs]
    return Row(name, unit, median(figures), median(floors),
               median(f / g for f, g in zip(figures, floors)), target,
               rounds=[{"floor": floor, "stele": ours} for floor, ours in pairs], **more)


@contextmanager
def fresh_stele(bench, tls=False):
    """A fresh server; afterwards the log must hold what was acknowledged."""
    stele = Stele(bench, tls)
    try:
        yield stele
        stele.check_size()
    except BaseException:
        stele.process.kill()
        stele.process.wait()
        raise
    stele.stop()


def with_stele(bench, measure):
    """measure(stele) on a fresh server."""
    with fresh_stele(bench) as stele:
        return measure(stele)


def beside_echo(bench, stele, connections, *arguments):
    common = ["--connections", connections, *arguments]
    return bench.load(bench.echo, *common), bench.load(stele, *common)


def single(bench):
    """One durable record per POST, minimal answer and full receipt, 64 and 256 connections."""
    forms = [(64, ("--minimal",), 0.6), (256, ("--minimal",), 0.7), (64, (), 0.5), (256, (), 0.6)]

    def measure(stele):
        pairs = [[] for _ in forms]
        for _ in range(bench.rounds):
            for (connections, form, _), got in zip(forms, pairs):
                got.append(beside_echo(bench, stele, connections, *form))
        return pairs

    for (connections, form, target), got in zip(forms, with_stele(bench, measure)):
        name = f"POST, {'minimal' if form else 'full receipt'}, {connections} connections"
        yield row_of(name, "records/s", got, target, "requests_per_s")


def batches(bench, name, source, pipe_source):
    arguments = ["--connections", FEW_CONNECTIONS, "--batch-bytes", BATCH_BYTES, *source]

    def measure(stele):
        return [(bench.pipe("--batch-bytes", BATCH_BYTES, *pipe_source),
                 bench.load(stele, *arguments)) for _ in range(bench.rounds)]

    yield row_of(name, "events/s", with_stele(bench, measure), 1.0, "events_per_s",
                 floor_name="pipe")


def batch(bench):
    """NDJSON bodies of 1 MB of generated events, beside pipe."""
    n = 65536
    yield from batches(bench, "NDJSON 1 MB, generated", ["--generate", f"cloud:{n}"],
                       ["--generate", n])


def file(bench):
    """The same with the lines of --events FILE; left out without one."""
    if bench.events:
        chosen = ["--events", bench.events]
        yield from batches(bench, "NDJSON 1 MB, file", chosen, chosen)


def latency(bench):
    """Open loop at half the closed loop's rate: the 99th percentile beside the median flush."""

    def measure(stele):
        common = ["--connections", 64, "--minimal"]
        rate = bench.load(stele, *common)["requests_per_s"] / 2
        pairs = []
        for _ in range(bench.rounds):
            floor = bench.flush()
            ours = bench.load(stele, *common, "--rate", round(rate))
            pairs.append(({"us": floor["p50_us"], **floor}, {"us": ours["latency_us"]["p99"], **ours}))
        return rate, pairs

    rate, pairs = with_stele(bench, measure)
    yield row_of(f"p99 at half load, {rate:,.0f}/s", "us", pairs, 4.0, "us", at_least=False,
                 floor_name="flush p50")


def memory(bench):
    """Two million records with idempotency keys: the server's own memory must not grow."""
    n = bench.memory_records

    def measure(stele):
        return bench.load(stele, "--count", n, "--connections", 256, "--minimal", "--keys", "bench",
                          "--sample", max(0.02, n / 5e6), measured=False)

    run = with_stele(bench, measure)
    at = {share: next(s for s in run["samples"] if s["requests"] >= share * n)
          for share in (0, 0.25, 0.5, 1)}
    shares = {f"{share:.0%}": sample for share, sample in at.items()}
    quarter, whole = (at[share]["rss_anon_kib"] / KIB_PER_MIB for share in (0.25, 1))
    yield Row(f"own memory, {n:,} keyed records", "MiB", whole, quarter, whole / quarter, 1.1,
              at_least=False, floor_name="at 25%", rounds=[{"shares": shares, "stele": run}])
    yield Row("  the same, beside the 100 MB allowed", "MiB", whole, ALLOWED_MIB,
              whole / ALLOWED_MIB, 1.0, at_least=False, floor_name="allowed")


def load_records(bench, stele, n):
    """n generated records, by batches; the log's size then."""
    bench.load(stele, "--generate", f"cloud:{n}", "--count", -(-n // 800), "--batch-bytes",
               BATCH_BYTES, "--connections", FEW_CONNECTIONS, measured=False)
    size = stele.size()
    if size < 2:
        raise BenchError("the log to read from is empty")
    return size


def read(bench):
    """One inclusion proof and one record per GET, drawn at random, unsealed and sealed."""
    n = min(READ_RECORDS, bench.memory_records)

    def measure(stele):
        size = load_records(bench, stele, n)
        paths = [f"/api/v1/logs/{stele.LOG}/proof/inclusion?index={{}}&size={size}",
                 f"/api/v1/logs/{stele.LOG}/records/{{}}"]
        gets = ["--get", 16384, "--indexes", f"1:{size - 1}", "--path"]
        found = {}
        for state in ("unsealed", "sealed"):
            if state == "sealed":
                stele.ask("POST", f"/api/v1/logs/{stele.LOG}/seal", b"")
            for _ in range(bench.rounds):
                for name, path in zip(("inclusion proof", "record"), paths):
                    found.setdefault(f"{name}, {state}", []).append(
                        beside_echo(bench, stele, 64, *gets, path))
        return found

    for name, got in with_stele(bench, measure).items():
        yield row_of(f"GET {name}", "answers/s", got, 0.5, "requests_per_s")


def fill(bench, stele, size, part, kind="cloud", each=880):
    """NDJSON with a key, which covers each record, until the log has about so many records."""
    missing = size - stele.size()
    if missing > 0:
        bench.load(stele, "--generate", f"{kind}:{min(size, 65536)}", "--batch-bytes", BATCH_BYTES,
                   "--count", max(1, missing // each), "--connections", FEW_CONNECTIONS,
                   "--keys", f"fill-{part}", measured=False)


def settle(stele):
    """
    Seals what was filled in, as it is in a log that grew over months, and waits until its WAL
    files have gone. Commits go on meanwhile: a dictionary leaves the WAL only behind later ones.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        stele.ask("POST", f"/api/v1/logs/{stele.LOG}/seal", b"", SETTLE_SECONDS)
        stele.append(stele.LOG)
        if stele.metric("stele_wal_files") <= SETTLED_FILES:
            return
        time.sleep(0.5)
    raise BenchError(f"sealing did not catch up in {SETTLE_SECONDS} s")


def flat(bench):
    """Single keyed POSTs into a log of 1,000 records and of --records (2 M; 50 M takes long)."""
    steps = [1000 * 10**k for k in range(9)]
    sizes = [size for size in steps if size < bench.memory_records] + [bench.memory_records]

    def measure(stele):
        runs = []
        for part, size in enumerate(sizes):
            fill(bench, stele, size, part)
            settle(stele)
            for again in range(bench.rounds):
                echo, ours = beside_echo(bench, stele, 64, "--minimal", "--keys",
                                         f"one-{part}-{again}")
                runs.append((size, echo, ours))
        samples = runs[-1][2]["samples"]
        return runs, samples[-1]["rss_anon_kib"] / KIB_PER_MIB

    runs, own_mib = with_stele(bench, measure)
    ratio = {}
    for size, echo, ours in runs:
        ratio.setdefault(size, []).append(ours["requests_per_s"] / echo["requests_per_s"])
    first = median(ratio[sizes[0]])
    for size, got in ratio.items():
        yield Row(f"keyed POST at {size:,} records", "x echo", median(got), first,
                  median(got) / first, 0.9, floor_name="at the first",
                  rounds=[{"floor": e, "stele": o} for n, e, o in runs if n == size])
    yield Row("  own memory then, beside 100 MB", "MiB", own_mib, ALLOWED_MIB,
              own_mib / ALLOWED_MIB, 1.0, at_least=False, floor_name="allowed")


def seal_small_logs(stele):
    """Logs of one record in a segment each, until the store has START_SEGMENTS segments."""
    for n in range(max(0, START_SEGMENTS - int(stele.metric("stele_segments")))):
        path = f"/api/v1/logs/small-{n}"
        stele.ask("PUT", path, b'{"mode":"none"}')
        stele.append(f"small-{n}")
        stele.ask("POST", f"{path}/seal", b"")


def start(bench):
    """Start-up with --records keyed records (2 M; 50 M takes long) in 1,000 segments."""
    n = bench.memory_records
    forms = (("SIGTERM", False), ("SIGKILL, cold", True))

    def measure(stele):
        for part in range(0, n, START_STEP):
            fill(bench, stele, min(n, part + START_STEP), part, "kubernetes", 1900)
            settle(stele)
        seal_small_logs(stele)
        bench.load(stele, "--generate", "kubernetes:65536", "--batch-bytes", BATCH_BYTES, "--count",
                   50, "--connections", FEW_CONNECTIONS, "--keys", "tail", measured=False)
        runs = [[stele.restart(kill) for _ in range(bench.rounds)] for _, kill in forms]
        new = stele.own_mib()
        bench.load(stele, "--connections", 64, "--minimal", "--keys", "after")
        return runs, new, stele.own_mib(), int(stele.metric("stele_segments")), stele.size()

    runs, new, used, segments, size = with_stele(bench, measure)
    for (how, _), seconds in zip(forms, runs):
        yield Row(f"start after {how}", "s", median(seconds), ALLOWED_START_SECONDS,
                  median(seconds) / ALLOWED_START_SECONDS, 1.0, at_least=False,
                  floor_name="allowed",
                  rounds=[{"seconds": seconds, "records": size, "segments": segments}])
    for when, own in (("after a start", new), ("and in use", used)):
        yield Row(f"own memory {when}", "MiB", own, ALLOWED_MIB, own / ALLOWED_MIB, 1.0,
                  at_least=False, floor_name="allowed")


def many(bench):
    """One record per POST into 500 logs in turn, so that each commit touches hundreds."""
    common = ("--connections", 2 * MANY_LOGS, "--minimal")
    spread = ("--path", "/api/v1/logs/many-{}/records", "--indexes", f"0:{MANY_LOGS}")

    def measure(stele):
        for n in range(MANY_LOGS):
            stele.ask("PUT", f"/api/v1/logs/many-{n}", b'{"mode":"none"}')
        pairs, commits = [], []
        for _ in range(bench.rounds):
            one = bench.load(stele, *common)
            before = [stele.metric(f"stele_{m}_total") for m in MANY_METRICS]
            ours = bench.load(stele, *common, *spread)
            after = [stele.metric(f"stele_{m}_total") for m in MANY_METRICS]
            pairs.append((one, ours))
            commits.append([b - a for a, b in zip(before, after)])
        return pairs, commits

    pairs, commits = with_stele(bench, measure)
    yield row_of(f"POST into {MANY_LOGS} logs, {2 * MANY_LOGS} connections", "records/s", pairs, 0.5,
                 "requests_per_s", floor_name="one log")
    records = median(r / c for c, r, _ in commits)
    seconds = median(ours["seconds"] / c for (_, ours), (c, _, _) in zip(pairs, commits))
    signing = median(s / c for c, _, s in commits)
    yield Row(f"  a commit of {records:.0f} records", "ms", 1e3 * seconds, 1e3 * signing,
              seconds / signing, 5.0, at_least=False, floor_name="signing their heads")


def handshakes(bench, stele, *form):
    """
    A connection for each GET of nothing. None resumes a session, or all do, but for the first one
    of each of those that are open at a time.
    """
    run = bench.load(stele, "--get", 64, "--path", "/livez", "--fresh", "--connections",
                     HANDSHAKES_AT_ONCE, *form)
    least = max(1, run["requests"] - HANDSHAKES_AT_ONCE) if "--resume" in form else 0
    if not least <= run["resumed"] <= (run["requests"] if least else 0):
        raise BenchError(f"{run['resumed']} of {run['requests']} sessions were resumed: "
                         f"want {'all' if least else 'none'}")
    return run


def tls(bench):
    """The same durable POSTs, record reads and connections in clear and under TLS 1.3."""
    posts = ("--connections", 64, "--minimal")
    found = {}

    def measure(clear, secure):
        records = min(READ_RECORDS, bench.memory_records)
        sizes = [load_records(bench, stele, records) for stele in (clear, secure)]
        gets = ("--get", 16384, "--indexes", f"1:{min(sizes) - 1}", "--connections", 64, "--path",
                f"/api/v1/logs/{Stele.LOG}/records/{{}}")
        for stele in (clear, secure):
            stele.ask("POST", f"/api/v1/logs/{Stele.LOG}/seal", b"")
        for _ in range(bench.rounds):
            for name, form in (("POST, minimal", posts), ("GET record, sealed", gets)):
                found.setdefault(f"{name}, 64 connections", []).append(
                    (bench.load(clear, *form), bench.load(secure, *form)))
            plain = handshakes(bench, clear)
            for name, form in (("full", ()), ("resumed", ("--resume",))):
                found.setdefault(f"connection a GET, {name} handshake", []).append(
                    (plain, handshakes(bench, secure, *form)))

    with ExitStack() as stack:
        measure(*(stack.enter_context(fresh_stele(bench, tls)) for tls in (False, True)))
    for name, got in found.items():
        yield row_of(f"TLS {name}", "a second", got, None, "requests_per_s", floor_name="in clear")
        yield row_of("  its processor time a request", "us", got, None, "cpu_us", at_least=False,
                     floor_name="in clear")


WORKLOADS = {f.__name__: f for f in (single, batch, file, latency, memory, read, tls, many, flat,
                                     start)}

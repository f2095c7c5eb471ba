"""The same queries on PostgreSQL: a cluster of its own, on a unix socket, that ends with the measurement.

Events lie in one table as jsonb with the columns that queries ask for taken out: B-tree indexes on these,
a GIN index on the document. Which paths are the columns' is read from proto/schemas/.
"""
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from harness import BenchError

SCHEMAS = Path(__file__).resolve().parents[1] / "proto/schemas"
COLUMNS = ("actor", "action", "source_ip")
SETTINGS = """
listen_addresses = ''
shared_buffers = 1GB
maintenance_work_mem = 512MB
max_wal_size = 8GB
"""
WHERE = "/usr/lib/postgresql"  # Debian's, a folder for each version


def programs():
    """The folder of initdb and postgres, or None."""
    versions = sorted(Path(WHERE).glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which("initdb")
    return Path(found).resolve().parent if found and shutil.which("psql") else None


def whole(doc, steps):
    return f"{doc} #>> {literal('{' + ','.join(json.dumps(s) for s in steps) + '}')}"


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def places(alternative):
    """The paths of one alternative of a field, as steps; constants have none."""
    for place in alternative if isinstance(alternative, list) else [alternative]:
        path = place if isinstance(place, str) else place.get("path")
        if path:
            yield [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^."]+)', path)]


def column(field):
    """SQL for a field's first value: of all schemas' paths the first that is there, arrays looked into."""
    steps = []
    for name in sorted(SCHEMAS.glob("*.json")):
        for alternative in json.loads(name.read_text())["fields"].get(field, []):
            steps += [s for s in places(alternative) if s not in steps]
    return "coalesce(" + ", ".join(whole("doc", s + more) for s in steps for more in (["0"], [])) + ")"


class Postgres:
    """A private cluster with one table, events, of a file's first lines; a context."""

    def __init__(self, bench):
        self.bin = programs()
        if not self.bin:
            raise BenchError("PostgreSQL is not installed (package postgresql)")
        root = os.geteuid() == 0  # initdb refuses to be root
        self.user = next((n for n in ("postgres", "nobody") if self._is_user(n)), None) if root else None
        if root and not self.user:
            raise BenchError("PostgreSQL does not run as root, and there is no user postgres or nobody")
        # Not in the scratch folder, which the other user may not enter.
        self.folder = Path(tempfile.mkdtemp(prefix="stele-pg-", dir=bench.where))
        self.socket = Path(tempfile.mkdtemp(prefix="stele-pg-"))  # its path must be short
        for folder in (self.folder, self.socket):
            if self.user:
                shutil.chown(folder, self.user)
        self.log = bench.scratch / "postgres.log"
        self.process = None

    @staticmethod
    def _is_user(name):
        try:
            return bool(pwd.getpwnam(name))
        except KeyError:
            return False

    def _as_user(self):
        if not self.user:
            return {}
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": [], "cwd": "/"}

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        data = self.folder / "data"
        with open(self.log, "ab") as log:
            done = subprocess.run([self.bin / "initdb", "-D", data, "-A", "trust", "-U", "bench", "-E", "UTF8",
                                   "--no-locale"], stdout=log, stderr=log, check=False, **self._as_user())
            if done.returncode:
                raise BenchError(f"initdb failed: see {self.log} (can {self.user} enter {self.folder.parent}?)")
            with open(data / "postgresql.conf", "a", encoding="ascii") as settings:
                settings.write(SETTINGS)
            self.process = subprocess.Popen([self.bin / "postgres", "-D", data, "-k", self.socket], stdout=log,
                                            stderr=log, **self._as_user())
        deadline = time.monotonic() + 60
        while subprocess.run(self._psql("-c", "SELECT 1"), capture_output=True, check=False).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"postgres did not start: see {self.log}")
            time.sleep(0.1)

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.socket, ignore_errors=True)

    def _psql(self, *arguments):
        return ["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket), "-U", "bench",
                "-d", "postgres", *arguments]

    def run(self, sql, **more):
        """What a script of SQL prints."""
        done = subprocess.run(self._psql("-f", "-"), input=sql.encode(), capture_output=True, check=False, **more)
        if done.returncode:
            raise BenchError(f"psql: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return done.stdout.decode()

    def fill(self, lines):
        """Loads a pipe of NDJSON, and makes the indexes: bytes of the table, of B-trees, of GIN."""
        self.run("CREATE UNLOGGED TABLE lines(id bigserial, doc jsonb);")
        copy = "COPY lines(doc) FROM STDIN (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
        done = subprocess.run(self._psql("-c", copy), stdin=lines, capture_output=True, check=False)
        if done.returncode:
            raise BenchError(f"psql COPY: {done.stderr.decode(errors='replace').strip()[-300:]}")
        columns = ", ".join(f"{column(c)} AS {c}" for c in COLUMNS)
        self.run(f"CREATE TABLE events AS SELECT id, {columns}, doc FROM lines; DROP TABLE lines;"
                 + "".join(f"CREATE INDEX by_{c} ON events({c}, id);" for c in COLUMNS)
                 + "CREATE INDEX by_doc ON events USING gin(doc jsonb_path_ops);")
        self.run("VACUUM (FREEZE, ANALYZE) events;")
        sizes = self.run("SELECT pg_table_size('events');"
                         + "SELECT " + "+".join(f"pg_relation_size('by_{c}')" for c in COLUMNS) + ";"
                         + "SELECT pg_relation_size('by_doc');")
        return [int(n) for n in sizes.split()]

    def times(self, statements):
        """Seconds of each, by psql's \\timing over one connection: planning, execution and the rows' way."""
        said = self.run("\\o /dev/null\n\\timing on\n" + "".join(s + ";\n" for s in statements))
        found = [float(ms) / 1000 for ms in re.findall(r"^Time: ([0-9.]+) ms", said, re.MULTILINE)]
        if len(found) != len(statements):
            raise BenchError(f"psql timed {len(found)} of {len(statements)} statements")
        return found

    def number(self, statement):
        return int(self.run(statement + ";"))

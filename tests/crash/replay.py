#!/usr/bin/env python3
"""Every power loss that could have happened: states of a folder made from a recording.

    replay.py [--states N] [--seed N] [--jobs N] [--ignore GLOB]... TRACE -- COMMAND...

recorder.c wrote TRACE while a program worked. For crash points all along it, a
folder is made as a power loss there could have left it, and `COMMAND FOLDER
MARKS` judges it: MARKS is a file with the marks (one a line) that were in the
recording by then, such as the answers a client had received. Exit status 0
means that the folder keeps every promise made by then.

What a power loss may do, here:
- What a flush covered is there. All else may be there or not, each write for
  itself, in any combination: writes reach the disk in any order.
- A write may be torn: some of its 512-byte sectors are there, others not. A
  file's size may have grown without its data: zeros.
- A write to a file opened with O_DSYNC is there once it returned.
- A name (created, renamed, removed) is there once its folder was flushed;
  before that, each change of names may be there or not. A rename is atomic.
"""
import argparse
import fnmatch
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HEADER = struct.Struct("<IIIIQQQQ")
SECTOR = 512
DURABLE = 1
(OPEN, CREATE, WRITE, TRUNCATE, ALLOCATE, FLUSH, FLUSH_DIR, FLUSH_ALL, RENAME, LINK, UNLINK,
 MKDIR, RMDIR, MARK, UNTRACKED) = range(1, 16)  # as in recorder.c


@dataclass
class Record:
    pos: int
    op: int
    flags: int
    ino: int
    offset: int
    covers: int
    path: str
    path2: str
    data: bytes


def read_trace(path):
    """The records of a recording, in order."""
    raw = Path(path).read_bytes()
    pos, records = 0, []
    while pos < len(raw):
        op, flags, n1, n2, ino, offset, n_data, covers = HEADER.unpack_from(raw, pos)
        p = pos + HEADER.size
        path1, path2 = raw[p : p + n1].decode(), raw[p + n1 : p + n1 + n2].decode()
        data = raw[p + n1 + n2 : p + n1 + n2 + n_data]
        records.append(Record(pos, op, flags, ino, offset, covers, path1, path2, data))
        pos = p + n1 + n2 + n_data
    return records


def mark(trace, text):
    """Adds a mark to a recording: text (one line) was true when this was called."""
    text = text.encode()
    fd = os.open(trace, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, HEADER.pack(MARK, 0, len(text), 0, 0, 0, 0, 0) + text)
    finally:
        os.close(fd)


@dataclass
class Change:
    """A change to a file's bytes, or to a folder's names, that may not be on disk yet."""

    pos: int
    op: int = 0
    offset: int = 0
    data: bytes = b""
    names: dict = None  # of a folder: name -> node, or None when it goes
    sure: bool = False


@dataclass
class File:
    disk: bytearray = field(default_factory=bytearray)
    pending: list = field(default_factory=list)

    def flush(self, covers):
        for change in self.pending:
            change.sure = change.sure or change.pos < covers
        self.settle()

    def settle(self):
        """What is sure, with nothing unsure before it, is the disk's."""
        n = 0
        while n < len(self.pending) and self.pending[n].sure:
            apply_bytes(self.disk, self.pending[n])
            n += 1
        del self.pending[:n]


@dataclass
class Folder:
    live: dict = field(default_factory=dict)  # name -> File or Folder, as the program sees it
    disk: dict = field(default_factory=dict)
    pending: list = field(default_factory=list)

    def change(self, pos, names):
        apply_names(self.live, names)
        self.pending.append(Change(pos, names=names))

    def flush(self, covers):
        while self.pending and self.pending[0].pos < covers:
            apply_names(self.disk, self.pending.pop(0).names)


def apply_names(entries, names):
    for name, node in names.items():
        if node is None:
            entries.pop(name, None)
        else:
            entries[name] = node


def apply_bytes(content, change, first=0, last=None):
    """Applies a change, or of a write only its bytes from first to last."""
    if change.op == TRUNCATE:
        del content[change.offset :]
    end = change.offset + (len(change.data) if last is None else last)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if change.op == WRITE:
        content[change.offset + first : end] = change.data[first:last]


class Model:
    """The folder while the recording plays: what is on disk for sure, and what may be."""

    def __init__(self, ignore=(), base=None, marks=()):
        self.root = read_folder(base) if base else Folder()
        self.by_ino = {}
        self.ignore = ignore
        self.marks = list(marks)

    def find(self, path):
        node = self.root
        for name in filter(None, path.split("/")):
            node = node.live[name]
        return node

    def parent(self, path):
        folder, _, name = path.rpartition("/")
        return self.find(folder), name

    def play(self, r):
        """Takes one record."""
        if r.op in (OPEN, CREATE):
            self.open(r)
        elif r.op in (WRITE, TRUNCATE, ALLOCATE):
            node = self.by_ino[r.ino]
            node.pending.append(change_of(r, sure=bool(r.flags & DURABLE)))
            node.settle()
        elif r.op == FLUSH:
            self.by_ino[r.ino].flush(r.covers)
        elif r.op == FLUSH_DIR:
            self.find(r.path).flush(r.covers)
        elif r.op == FLUSH_ALL:
            for node in nodes_below(self.root):
                node.flush(r.covers)
        elif r.op == MARK:
            self.marks.append(r.path)
        elif r.op == UNTRACKED:
            name = os.path.basename(r.path)
            if not any(fnmatch.fnmatch(name, glob) for glob in self.ignore):
                raise ValueError(f"{r.path}: changed in a way that cannot be recorded")
        else:
            self.rename(r)

    def open(self, r):
        folder, name = self.parent(r.path)
        if r.op == CREATE:
            folder.change(r.pos, {name: File()})
        self.by_ino[r.ino] = folder.live[name]

    def rename(self, r):
        if not r.path:
            return  # the folder itself: it is always there
        folder, name = self.parent(r.path)
        if r.op == MKDIR:
            folder.change(r.pos, {name: Folder()})
        elif r.op in (UNLINK, RMDIR):
            folder.change(r.pos, {name: None})
        else:
            node = folder.live[name]
            to, new_name = self.parent(r.path2)
            if r.op == LINK:
                to.change(r.pos, {new_name: node})
            elif to is folder:
                folder.change(r.pos, {name: None, new_name: node})
            else:
                folder.change(r.pos, {name: None})
                to.change(r.pos, {new_name: node})


def read_folder(path):
    """A folder as it lies on the disk, with nothing in doubt."""
    folder = Folder()
    for entry in os.scandir(path):
        if entry.is_dir():
            node = read_folder(entry.path)
        else:
            node = File(bytearray(Path(entry.path).read_bytes()))
        folder.live[entry.name] = folder.disk[entry.name] = node
    return folder


def change_of(r, sure):
    return Change(r.pos, r.op, r.offset, r.data, sure=sure)


def nodes_below(folder):
    """Every node that the program or the disk can still reach."""
    seen, todo = set(), [folder]
    while todo:
        node = todo.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, Folder):
            todo += [*node.live.values(), *node.disk.values()]
            todo += [n for c in node.pending for n in c.names.values() if n]


class PowerLoss:
    """One power loss at one point: every doubt is settled by the dice."""

    def __init__(self, model, dice, in_flight=None):
        self.model, self.dice = model, dice
        self.in_flight = in_flight  # a record that had begun, but not returned
        self.files = {}
        # What reaches the disk: nothing more, everything, each with this likelihood.
        self.likely = dice.choice([0, 0.2, 0.5, 0.8, 1])
        self.torn = dice.choice([0, 0.3, 1])
        self.in_order = dice.random() < 0.5

    def write_to(self, path):
        self.write_folder(self.model.root, path)

    def write_folder(self, folder, path):
        os.mkdir(path, 0o700)
        for name, node in self.names(folder).items():
            below = os.path.join(path, name)
            if isinstance(node, Folder):
                self.write_folder(node, below)
            elif not any(fnmatch.fnmatch(name, glob) for glob in self.model.ignore):
                fd = os.open(below, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
                with os.fdopen(fd, "wb") as f:
                    f.write(self.content(node))

    def names(self, folder):
        entries = dict(folder.disk)
        for change in folder.pending:
            if self.dice.random() < self.likely:
                apply_names(entries, change.names)
            elif self.in_order:
                break
        return entries

    def content(self, node):
        if id(node) not in self.files:
            content = bytearray(node.disk)
            changes = list(node.pending)
            r = self.in_flight
            if r and self.model.by_ino.get(r.ino) is node:
                changes.append(change_of(r, sure=False))
            for change in changes:
                if change.sure or self.dice.random() < self.likely:
                    self.reach(content, change)
            self.files[id(node)] = bytes(content)
        return self.files[id(node)]

    def reach(self, content, change):
        """Applies a change to content, perhaps torn."""
        if change.sure or change.op != WRITE or self.dice.random() >= self.torn:
            apply_bytes(content, change)
            return
        if self.dice.random() < 0.5:  # the size came first
            apply_bytes(content, Change(0, ALLOCATE, change.offset + len(change.data)))
        first = 0
        while first < len(change.data):
            last = min(first + SECTOR - (change.offset + first) % SECTOR, len(change.data))
            if self.dice.random() < 0.5:
                apply_bytes(content, change, first, last)
            first = last


def crash_points(records, n_states, dice):
    """How many states to make after each record: {number of records played: states}. Before a
    mark there are none: after it the same folder has more promises to keep."""
    ends = [*records[1:], None]
    points = [i + 1 for i, after in enumerate(ends) if not after or after.op != MARK]
    counts = dict.fromkeys(points, n_states // len(points))
    for p in dice.sample(points, n_states % len(points)):
        counts[p] += 1
    return counts


@dataclass
class Violation:
    point: int  # records played
    seed: int
    reason: str

    def __str__(self):
        return f"power loss after record {self.point}, seed {self.seed}: {self.reason}"


def power_losses(records, n_states, seed, model):
    """Yields (point, seed, PowerLoss, marks) for n_states states along the recording, which model
    plays. Each is to be written before the next is asked for."""
    dice = random.Random(seed)
    points = crash_points(records, n_states, dice)
    for i, r in enumerate(records):
        model.play(r)
        for _ in range(points.get(i + 1, 0)):
            state_seed = dice.getrandbits(32)
            state_dice = random.Random(state_seed)
            following = records[i + 1] if i + 1 < len(records) else None
            in_flight = following if following and following.op == WRITE else None
            yield i + 1, state_seed, PowerLoss(model, state_dice, in_flight), model.marks


def replay(trace, judge, n_states, seed=1, jobs=1, keep=None, **model):
    """Makes n_states states and has each judged: judge(folder, marks) returns None, or what is
    wrong. Returns the list of Violations; the folder of the first is left at keep.

    model: ignore, globs of names that do not matter; base, the folder that the recording began
    with, when it was not empty; marks, those that stood before it."""
    violations = []
    work = tempfile.mkdtemp(prefix="stele-powerloss-", dir=fast_folder())

    def judge_and_remove(point, state_seed, folder, marks):
        reason = judge(folder, marks)
        if reason is not None:
            if keep and not violations:
                shutil.copytree(folder, keep, dirs_exist_ok=True)
            violations.append(Violation(point, state_seed, reason))
        shutil.rmtree(folder, ignore_errors=True)

    try:
        with ThreadPoolExecutor(jobs) as pool:
            running = []
            losses = power_losses(read_trace(trace), n_states, seed, Model(**model))
            for number, (point, state_seed, loss, marks) in enumerate(losses):
                folder = os.path.join(work, str(number))
                loss.write_to(folder)
                arguments = (point, state_seed, folder, list(marks))
                running.append(pool.submit(judge_and_remove, *arguments))
                if len(running) > 2 * jobs:
                    running.pop(0).result()
            for r in running:
                r.result()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return violations


def fast_folder():
    """Memory, where there is some to spare: states are made by the thousand."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def judge_by(command, env=None):
    """A judge that runs COMMAND FOLDER MARKS, with more environment."""
    env = {**os.environ, **(env or {})}

    def judge(folder, marks):
        with tempfile.NamedTemporaryFile("w", suffix=".marks") as f:
            f.write("".join(m + "\n" for m in marks))
            f.flush()
            run = subprocess.run(
                [*command, folder, f.name], env=env, capture_output=True, text=True, check=False
            )
        if run.returncode == 0:
            return None
        return f"exit {run.returncode}: {(run.stdout + run.stderr).strip()}"

    return judge


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--states", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--ignore", action="append", default=[], metavar="GLOB")
    parser.add_argument("--keep", help="where to leave the first bad state")
    parser.add_argument("trace")
    parser.add_argument("command", nargs="+")
    a = parser.parse_args()
    judge = judge_by(a.command)
    found = replay(a.trace, judge, a.states, a.seed, a.jobs, a.keep, ignore=a.ignore)
    for violation in found[:10]:
        print(violation)
    print(f"{a.states} power losses, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

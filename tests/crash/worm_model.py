"""What a log under locks must be: worm.md section 2 in a few lines, and nothing of how it is kept."""
import copy


class Record:
    """until: when its own lock ends; 0, never had one; None, it waits for its event."""

    def __init__(self, payload, who, until, event):
        self.payload, self.who, self.until, self.event = payload, who, until, event
        self.ends = None  # what an extension or a shortening made of until
        self.fixed = False  # it was shortened: until does not count
        self.gone = None  # the purge entry by which its payload went

    def end(self):
        """When its lock ends by time: None, it waits for its event; 0, it never had one."""
        if self.until is None and not self.fixed and self.event:
            return None
        own = 0 if self.fixed else self.until or 0
        return max(own, self.ends or 0)

    def waits(self):
        return bool(self.event) and self.until is None


class Model:
    """One log: its records, what locks them, and who wants them gone."""

    def __init__(self):
        self.records = {}  # index: Record; the other indexes are control entries
        self.holds = {}  # id: (first, last)
        self.erasures = {}  # id: indexes; those that are not over
        self.purges = set()  # indexes of purge entries
        self.others = 1  # all other control entries; the log begins with one

    def size(self):
        return len(self.records) + len(self.purges) + self.others

    def alive(self):
        return [i for i, r in self.records.items() if r.gone is None]

    def covered(self, first, last):
        """Those whose payloads are there."""
        return [i for i in range(first, last + 1)
                if i in self.records and self.records[i].gone is None]

    def locked(self, index, now):
        r = self.records[index]
        held = any(first <= index <= last for first, last in self.holds.values())
        return held or r.waits() or now < r.end()

    def erasing(self):
        """Whoever may not place holds does not read these."""
        asked = set().union(*self.erasures.values())
        return sorted(i for i in asked if self.records[i].gone is None)

    def purge(self, indexes, entry):
        self.purges.add(entry)
        for i in indexes:
            self.records[i].gone = entry

    def copy(self):
        return copy.deepcopy(self)

    def restore(self, backup):
        """The log comes back as this backup has it, a restore entry behind. What was purged since
        goes again, in order, as far as the backup has it: by an entry each, where there is any."""
        since = sorted(self.purges - backup.purges)
        went = {entry: [i for i in backup.alive() if self.records[i].gone == entry]
                for entry in since}
        self.__dict__ = backup.copy().__dict__
        self.others += 1
        for entry in since:
            if went[entry]:
                self.purge(went[entry], self.size())
        return {entry: len(indexes) for entry, indexes in went.items()}

"""What is asked of a store whose events nobody knows: values that are rare, frequent, and that meet.

A question is text in the filter's language and the values that it looks for, so that others can be asked the
same. They are taken from what the store itself counts and shows.
"""
import json
import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from harness import BenchError

ROWS = 100  # of a page
RARE_SHARE = 50_000  # at most one record of so many, and one at least
AT_MOST = 20  # questions of a kind
FIELDS = ("actor", "action", "source_ip")
# Comparisons along a path that no index knows; the first one that finds something is asked.
NUMBERS = ("http.response.status_code >= 400", "EventID >= 4663", "responseStatus.code >= 400",
           "responseStatus.code >= 201", "additionalEventData.bytesTransferredOut >= 1000")


@dataclass
class Question:
    fields: tuple  # (field, value) that must all hold

    @property
    def text(self):
        return " AND ".join(f"{f} = {json.dumps(v, ensure_ascii=False)}" for f, v in self.fields)

    @property
    def values(self):
        return [v for _, v in self.fields]


@dataclass
class Comparison:
    """PATH OPERATOR NUMBER."""

    text: str

    def parts(self):
        """(path, operator, number); None when it is another kind of filter."""
        m = re.fullmatch(r"([A-Za-z_][\w.]*) *(>=|<=|=|<|>) *(-?\d+)", self.text)
        return m.groups() if m else None


class Asker:
    """Asks one server about one log over one connection."""

    def __init__(self, stele, connection):
        self.path = f"/api/v1/logs/{stele.LOG}/records"
        self.token = stele.token
        self.connection = connection

    def page(self, **parameters):
        target = f"{self.path}?{urlencode(parameters, quote_via=quote)}"
        self.connection.request("GET", target, headers={"Authorization": f"Bearer {self.token}"})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise BenchError(f"GET {target}: {answer.status} {text[:300]!r}")
        return json.loads(text)

    def first_page(self, question, limit=ROWS, **parameters):
        """Rows until there are as many as a page has, or no more: whoever asks waits for them."""
        rows = []
        parameters = {"filter": question.text, "limit": limit, **parameters}
        while True:
            page = self.page(**parameters)
            rows += page["records"]
            if len(rows) >= limit or "next" not in page:
                return rows[:limit]
            parameters["cursor"] = page["next"]

    def count(self, text):
        """Records that match, of all pages; and how many were looked at."""
        parameters = {"filter": text, "count": "true"}
        while True:
            page = self.page(**parameters)
            if "next" not in page:
                return page["matched"], page["scanned"]
            parameters["cursor"] = page["next"]

    def actors(self):
        """How often each actor is named, the commonest first."""
        found, parameters = {}, {"by": "actor"}
        while True:
            page = self.page(**parameters)
            for line in page["values"]:
                found[line["value"]] = found.get(line["value"], 0) + line["count"]
            if "next" not in page:
                return sorted(found.items(), key=lambda item: -item[1])
            parameters["cursor"] = page["next"]


def choose_actors(asker, named, most=None):
    """
    Those that records name so before all other ways, as a column of a table would have it; of at most
    so many records, since a page counts only so many different values.
    """
    chosen = []
    for actor in named:
        question = Question((("actor", actor),))
        rows = asker.first_page(question, limit=most + 1 if most else 1, view="summary")
        if rows and len(rows) <= (most or 1) and all(r["fields"]["actor"][0] == actor for r in rows):
            chosen.append(question)
        if len(chosen) == AT_MOST:
            break
    return chosen


def meeting(asker, frequent):
    """Three fields of one record each: they are found together at least once."""
    found = {}
    for question in frequent:
        for row in asker.first_page(question, view="summary"):
            values = [row["fields"].get(f, [None])[0] for f in FIELDS]
            if None not in values:
                found[tuple(values)] = Question(tuple(zip(FIELDS, values)))
    step = max(1, len(found) // AT_MOST)
    return list(found.values())[::step][:AT_MOST]


def comparison(asker, wanted):
    for text in [wanted] if wanted else NUMBERS:
        if asker.count(text)[0]:
            return Comparison(text)
    raise BenchError("no comparison finds anything in these events: give one with --filter 'PATH >= NUMBER'")


def choose(asker, events, wanted):
    """(rare, frequent, three together, a comparison). BenchError when the events have no such."""
    actors = asker.actors()
    few = max(1, events // RARE_SHARE)
    rare = choose_actors(asker, [a for a, n in reversed(actors) if n <= few][:3 * AT_MOST], few)
    frequent = choose_actors(asker, [a for a, n in actors if n > few][:3 * AT_MOST])
    if not frequent or not rare:
        raise BenchError("the events name no actors, rare ones and frequent ones")
    three = meeting(asker, frequent)
    if not three:
        raise BenchError(f"no event has all of {', '.join(FIELDS)}")
    return rare, frequent, three, comparison(asker, wanted)

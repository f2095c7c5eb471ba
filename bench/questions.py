"""What is asked of a store whose events nobody knows: values that are rare, frequent, and that meet.

A question is text in the filter's language and the values that it looks for, so that others can be asked the
same. They are taken from what the store itself shows.
"""
import json
import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from harness import BenchError

ROWS = 100  # of a page
RARE_SHARE = 50_000  # at most one record of so many, and four at least
SAMPLE_PAGES = 10
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

    def sample(self):
        """The first and the last some thousand rows, by index."""
        found = {}
        for order in ("asc", "desc"):
            parameters = {"view": "summary", "limit": 1000, "order": order}
            for _ in range(SAMPLE_PAGES):
                page = self.page(**parameters)
                found.update((row["index"], row) for row in page["records"])
                if "next" not in page:
                    break
                parameters["cursor"] = page["next"]
        return found.values()


def actors_of(rows):
    """
    How often each actor is named in them, the commonest first, by the name that comes before all other ways to
    say it: so would a column of a table have it.
    """
    found = {}
    for row in rows:
        for actor in row["fields"].get("actor", [])[:1]:
            found[actor] = found.get(actor, 0) + 1
    return sorted(found, key=lambda actor: -found[actor])


def choose_rare(asker, actors, few):
    """Those of few records in all."""
    chosen = []
    for actor in actors:
        question = Question((("actor", actor),))
        if len(asker.first_page(question, limit=few + 1, view="summary")) <= few:
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
    actors = actors_of(asker.sample())
    few = max(4, events // RARE_SHARE)
    rare = choose_rare(asker, actors[:-3 * AT_MOST:-1], few)
    frequent = [Question((("actor", a),)) for a in actors[:AT_MOST // 2]]
    if not frequent or not rare:
        raise BenchError("the events name no actors, rare ones and frequent ones")
    three = meeting(asker, frequent)
    if not three:
        raise BenchError(f"no event has all of {', '.join(FIELDS)}")
    return rare, frequent, three, comparison(asker, wanted)

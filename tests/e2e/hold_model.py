"""What is held in a log, and by what: folded from its control entries as docs/formats.md section 1
has them. Written from that page alone, so that it and steled must agree."""
import base64
import json


class HeldLog:
    """A log's entries, and the holds that its control entries make."""

    def __init__(self, server, log):
        self.entries, self.payloads, self.controls = [], {}, []
        self.holds = {}  # id -> {"set": indexes, "open": from where on, or None}
        self.released = set()
        size = server.get(f"/api/v1/logs/{log}").json()["size"]
        for index in range(size):
            answer = server.get(f"/api/v1/logs/{log}/records/{index}",
                                {"Accept": "application/json"}).json()
            entry = json.loads(answer["entry"])
            payload = (base64.b64decode(answer["payload_b64"]) if "payload_b64" in answer
                       else answer.get("payload", "").encode())
            self.entries.append(entry)
            self.payloads[index] = payload
            if entry["kind"] in ("hold", "release"):
                self.fold(index, json.loads(payload))

    def fold(self, index, control):
        self.controls.append((index, control))
        hold = control["hold"]
        if hold in self.released:
            return
        if control["type"] == "release":
            self.released.add(hold)
            self.holds.pop(hold, None)
            return
        said = self.holds.setdefault(hold, {"set": set(), "open": None})
        for first, last in control["ranges"]:
            said["set"].update(range(first, min(last, 10**5) + 1))
        said["open"] = control.get("open_from")

    def by(self, index):
        """The holds that cover the record."""
        return {hold for hold, said in self.holds.items()
                if index in said["set"] or (said["open"] is not None and index >= said["open"])}

    def held(self, hold):
        """Indexes of the records, control entries aside, that the hold covers."""
        return [i for i, e in enumerate(self.entries) if e["kind"] == "record"
                and hold in self.by(i)]

    def records(self):
        return [i for i, e in enumerate(self.entries) if e["kind"] == "record"]

    def locked(self, index, now):
        """The predicate, without events and extensions."""
        return bool(self.by(index)) or now < self.entries[index].get("retain_until", "")

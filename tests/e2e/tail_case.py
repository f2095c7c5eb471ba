"""A client of tails: server-sent events over HTTP/1.1, one connection each."""
import http.client
import json
import socket
import time
from dataclasses import dataclass
from urllib.parse import quote

LONGEST_SILENCE = 120  # seconds


@dataclass
class Event:
    name: str   # "message" for a record; "" for one that only says where to go on
    id: str     # None: it has none
    data: object  # JSON, or None

    def place(self):
        return self.data["log"], self.data["index"]


class Tail:
    """One that was answered 200; .id is what to come back with."""

    def __init__(self, server, path="/api/v1/tail", token=None, id=None, buffer=None, timeout=60, **asked):
        """buffer: bytes that the socket takes before its reader does; None: the system's."""
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
        if server.context:
            self.connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=timeout,
                                                          context=server.context)
        if buffer:
            self.connection.sock = socket.socket()
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            self.connection.sock.settimeout(timeout)
            self.connection.sock.connect(("127.0.0.1", server.port))
        headers = {"Authorization": "Bearer " + (token or server.token())}
        if id is not None:
            headers["Last-Event-ID"] = id
        query = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in asked.items())
        self.connection.request("GET", path + ("?" + query if query else ""), headers=headers)
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.id = id
        self.ended = None
        self.comments = 0
        self.statuses = []
        if self.status == 200:
            self.begin = self.event()
            assert self.begin.name == "begin", self.begin

    def event(self):
        """The next event; None when there is none any more, or the connection broke."""
        name, id, data = "message", None, []
        while True:
            try:
                line = self.answer.readline()
            except (http.client.HTTPException, ConnectionError, AttributeError):
                return None  # a chunk that is cut off is one of these
            if not line.endswith(b"\n"):
                return None
            if line == b"\n":
                break
            self.comments += line.startswith(b":")
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "id":
                id = value
            elif field == "data":
                data.append(value)
        if id is not None:
            self.id = id
        event = Event(name if data else "", id, json.loads("\n".join(data)) if data else None)
        if event.name == "end":
            self.ended = event.data["reason"]
        if event.name == "status":
            self.statuses.append(event.data)
        return event

    def record(self):
        """The next record, as an event; None when there is none any more. Heartbeats alone are not waited for."""
        deadline = time.monotonic() + LONGEST_SILENCE
        while (event := self.event()) is not None:
            if event.name == "message":
                return event
            assert time.monotonic() < deadline, f"no record comes any more behind {self.id}"
        return None

    def places(self, n):
        """(log, index) of the next n records; fewer when it ends before."""
        found = []
        while len(found) < n and (event := self.record()) is not None:
            found.append(event.place())
        return found

    def rest(self):
        """Of all until it ends."""
        return self.places(float("inf"))

    def close(self):
        self.answer.close()
        self.connection.close()

"""Refuses and notes whatever Python code does to reach more than this machine itself.

Found through PYTHONPATH by every interpreter that a test starts. Native code does not raise these
events: https://docs.python.org/3/library/audit_events.html
"""

import os
import sys

NOTES = os.environ["NETWORK_NOTES"]
# Event: which of its arguments is the host, or the address that begins with it.
REACHING = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "socket.getnameinfo": 0,
}
HERE = ("localhost", "::1", "", "None")


def is_here(host):
    """A name or an address of this machine; a path is that of a Unix socket."""
    text = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
    return text in HERE or text.startswith(("127.", "/", "\0"))


def look(event, arguments):
    place = REACHING.get(event)
    if place is None:
        return
    target = arguments[place]
    host = target[0] if isinstance(target, tuple) else target
    if not is_here(host):
        # A line below the size of a pipe is written in one piece, whoever else writes.
        with open(NOTES, "a", encoding="utf-8") as notes:
            notes.write(f"{os.getpid()} {event} {target!r}\n")
        raise ConnectionRefusedError(f"the test allows no network: {event} {target!r}")


sys.addaudithook(look)

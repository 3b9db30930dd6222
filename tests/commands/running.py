"""The command line as a process: with pipes, or on a terminal that the test types on."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.settings import PROJECT_ROOT, TABLE
from tests.live.waiting import wait_until

LIMIT = 120.0
COMMAND = (sys.executable, "-m", "app")
# What colours, moves the cursor or asks for pastes to be marked.
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
# Variables beside the settings that commands look at.
OTHERS = {"OPENAI_API_KEY", "OPENAI_BASE_URL", "NO_COLOR", "COLUMNS", "LINES"}
CTRL_C, CTRL_D = "\x03", "\x04"


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Without settings and keys but those given, and with a terminal's usual width."""
    dropped = {row.env for row in TABLE} | OTHERS
    kept = {name: text for name, text in os.environ.items() if name not in dropped}
    return {**kept, "TERM": "xterm-256color", "PYTHONPATH": str(PROJECT_ROOT), **more}


def run(
    *arguments: str, given: str = "", cwd: Any = PROJECT_ROOT, **environ: str
) -> subprocess.CompletedProcess[str]:
    """The finished process; `given` is its standard input, a pipe."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(environ),
        input=given,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@dataclass
class Terminal:
    """A process on a terminal. `seen` is all that it has written, as it came."""

    process: subprocess.Popen[bytes]
    _master: int
    seen: str = ""
    _position: int = 0
    _bytes: bytes = field(default=b"", repr=False)

    def expect(self, text: str) -> str:
        """Wait until it writes this text; gives what came up to it, without colours."""
        deadline = time.monotonic() + LIMIT
        while text not in self._plain()[self._position :]:
            assert self._read(deadline - time.monotonic()), (
                f"{text!r} did not come, but {self.seen!r}"
            )
        plain = self._plain()
        end = plain.index(text, self._position) + len(text)
        part, self._position = plain[self._position : end], end
        return part

    def expect_prompt(self) -> None:
        """Wait until it has written its prompt and waits for keys.

        Between the two, Python's readline keeps a signal for the next key.
        """
        self.expect("> ")
        wait_until(self._is_asleep, "the wait for keys")

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._master, text.encode())

    def line(self, text: str) -> None:
        """Type a line and press Enter."""
        self.type(text + "\n")

    def code(self) -> int:
        """The exit status, once it has ended."""
        deadline = time.monotonic() + LIMIT
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(LIMIT)

    def plain(self) -> str:
        """All that was written, without colours."""
        return self._plain()

    def _is_asleep(self) -> bool:
        # https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: behind the program's name.
        status = Path(f"/proc/{self.process.pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] == "S"

    def _plain(self) -> str:
        return CONTROLS.sub("", self.seen).replace("\r\n", "\n")

    def _read(self, timeout: float) -> bool:
        """Whether there was more."""
        if timeout <= 0 or not select.select([self._master], [], [], timeout)[0]:
            return False
        try:
            found = os.read(self._master, 65536)
        except OSError:
            # Linux says so when the last process has left the terminal.
            return False
        self._bytes += found
        self.seen = self._bytes.decode(errors="ignore")
        return bool(found)


@contextmanager
def terminal(*arguments: str, cwd: Any = PROJECT_ROOT, **environ: str) -> Iterator[Terminal]:
    """Start the command line on a terminal of its own; it is gone at the end."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment(environ),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        # A session whose terminal this is: Ctrl-C then is a signal to it.
        preexec_fn=_own_terminal,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait(LIMIT)
        os.close(master)


def _own_terminal() -> None:
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # A shell that runs the tests in the background makes them ignore it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

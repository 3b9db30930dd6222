"""What gunicorn's master does beside gunicorn's own: check, reload, and announce the end.

Used before gevent patches anything, so only the standard library is used, and no lock is made.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from app.lifecycle.service_folder import VARIABLE, ServiceFolder
from app.settings import PROJECT_ROOT

# The code by which gunicorn's callers know that the application cannot be loaded.
EXIT_APP_LOAD = 4
# Seconds for a check. A worker may take 60 to load the same, and does not stand behind others.
CHECK_LIMIT = 300


class Master:
    """Takes over four signals of `server`, gunicorn's arbiter, which has just started.

    The configuration is read in a process of its own: tokenizers are not for the master.
    """

    def __init__(self, server: Any, drain_delay: float) -> None:
        self._server = server
        self._drain_delay = drain_delay
        self._reap = server.handle_chld
        self._checking: int | None = None
        self._must_check_again = False
        self._is_ending = False
        self._is_stopping = False
        # A master that follows another one (SIGUSR2) inherits its environment.
        inherited = None if server.master_pid else ServiceFolder.current()
        self._folder = inherited or ServiceFolder.create()
        self._folder.hold()
        os.environ[VARIABLE] = str(self._folder.path)

    def start(self) -> None:
        """Check the configuration, unless whoever started gunicorn has; then mind the signals.

        Raises:
            SystemExit: the configuration has mistakes, which were told.
        """
        if self._folder.edition() is None:
            self._check_first()
        self._folder.remember()
        server = self._server
        server.handle_hup = self._reload
        # gunicorn looks a handler up by either name of the signal.
        server.handle_chld = server.handle_cld = self._child_ended
        server.handle_term = self.terminate
        # By its path, as gunicorn would start itself again, its own `http` would hide Python's.
        server.START_CTX["args"] = [sys.executable, "-m", "gunicorn", *sys.argv[1:]]
        signal.signal(signal.SIGALRM, lambda *_: server.SIG_QUEUE.put_nowait(signal.SIGTERM))

    def interrupt(self, *_: object) -> None:
        """Ctrl-C, in a signal's handler: as SIGTERM, and where that was before, not waiting."""
        number = signal.SIGINT if self._is_ending else signal.SIGTERM
        self._is_ending = True
        self._server.SIG_QUEUE.put_nowait(number)

    def keep_folder(self) -> None:
        """Make the folder again if somebody has removed it, or log why that cannot be done."""
        try:
            self._folder.restore()
        except OSError as error:
            self._server.log.error("The server's folder cannot be made again: %s", error.strerror)

    def end(self) -> None:
        """Leave nothing behind."""
        if self._is_checking():
            os.kill(self._checking or 0, signal.SIGTERM)
        self._folder.remove()

    def _check_first(self) -> None:
        # gunicorn does not mind its signals yet.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            # It is put off until the check can be ended.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            self._checking = self._check()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            _, status = os.waitpid(self._checking, 0)
            self._checking = None
            if os.WIFSIGNALED(status):
                self._server.log.error("%s; the server cannot start", _how_it_ended(status))
            if status:
                sys.exit(EXIT_APP_LOAD)
        except BaseException:
            self.end()
            raise

    def _reload(self) -> None:
        if self._is_checking():
            self._must_check_again = True
        else:
            self._must_check_again = False
            self._begin_check()

    def _begin_check(self) -> None:
        self.keep_folder()
        try:
            self._checking = self._check()
        except OSError as error:
            # gunicorn ends, and cuts all streams, for what a signal's handler raises.
            form = "The check cannot be started (%s); the configuration is as before"
            self._server.log.error(form, error.strerror)

    def _child_ended(self) -> None:
        # First, because gunicorn forgets how a child that it does not know has ended.
        self._is_checking()
        self._reap()
        if self._must_check_again and not self._is_checking():
            self._reload()

    def terminate(self) -> None:
        """SIGTERM. Raises StopIteration, which ends gunicorn, now or when it comes again."""
        self._is_ending = True
        server = self._server
        # With another master on the same socket this one's end is not that of the service.
        is_handing_over = server.reexec_pid or server.master_pid
        is_first, self._is_stopping = not self._is_stopping, True
        if not is_handing_over:
            self._tell_workers()
        if is_handing_over or not is_first or not self._drain_delay:
            raise StopIteration
        server.log.info("Not ready any more; stopping in %g s", self._drain_delay)
        signal.setitimer(signal.ITIMER_REAL, self._drain_delay)

    def _tell_workers(self) -> None:
        self.keep_folder()
        try:
            self._folder.note_stopping()
        except OSError as error:
            form = "The workers cannot be told that the service stops: %s"
            self._server.log.error(form, error.strerror)

    def _is_checking(self) -> bool:
        if self._checking is None:
            return False
        try:
            pid, status = os.waitpid(self._checking, os.WNOHANG)
        except ChildProcessError:
            pid, status = self._checking, 0
        if not pid:
            return True
        self._checking = None
        if os.WIFSIGNALED(status):
            ended = _how_it_ended(status)
            self._server.log.error("%s; the configuration is as before", ended)
        self._folder.remember()
        return False

    def _check(self) -> int:
        """Start the process that checks the configuration and publishes it."""
        module, folder = "app.publish_config", str(self._folder.path)
        command = [sys.executable, "-m", module, folder, str(CHECK_LIMIT)]
        path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
        closed = [(os.POSIX_SPAWN_CLOSE, each.fileno()) for each in self._server.LISTENERS]
        environ = {**os.environ, "PYTHONPATH": path}
        # Its numbers are not those of a worker.
        environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        # Nor is a signal that is put off here.
        return os.posix_spawn(command[0], command, environ, file_actions=closed, setsigmask=())


def _how_it_ended(status: int) -> str:
    number = os.WTERMSIG(status)
    if number == signal.SIGALRM:
        return f"The check took longer than {CHECK_LIMIT} s and was ended"
    return f"The check was sent {signal.Signals(number).name}"

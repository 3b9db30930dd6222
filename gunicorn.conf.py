"""gunicorn with gevent. Every value comes from the settings table (app/settings.py)."""

import ctypes
import gc
import math
import os
import signal
import time
from pathlib import Path

from app.lifecycle import open_files
from app.lifecycle.master import Master
from app.lifecycle.service_folder import VARIABLE
from app.observability import worker_files
from app.settings import STARTED_AT, Settings

M_ARENA_MAX = -8

settings = Settings.load()

host = f"[{settings.host}]" if ":" in settings.host else settings.host
# The application tells by the port which of the two a connection came to.
bind = [f"{host}:{settings.port}", *filter(None, [settings.metrics_bind])]
workers = settings.workers
worker_class = "app.worker.Worker"
# No header may say which path is meant, whoever sends it.
forwarder_headers = ""
# Far above what the models admit, so that /health is answered when they are full.
open_files.raise_limit(settings.worker_connections)
worker_connections = open_files.possible(settings.worker_connections)
# Also the limit for reading a request's headers.
keepalive = 5
graceful_timeout = math.ceil(settings.graceful_timeout)
timeout = 60
loglevel = settings.server_log_level
# The server's lines in the form of the application's.
logger_class = "app.observability.gunicorn_log.GunicornLog"
# gRPC channels and native threads do not survive a fork.
preload_app = False
control_socket_disable = True

os.environ.setdefault(STARTED_AT, str(int(time.time())))


def on_starting(server):
    """Check the configuration, and take over the signals of reload and of the end."""
    if worker_connections < settings.worker_connections:
        server.log.warning(
            "WORKER_CONNECTIONS: there are files for %d connections of a worker, and not for %d;"
            " raise the limit of open files (ulimit -n)",
            worker_connections,
            settings.worker_connections,
        )
    server.lifecycle = Master(server, settings.drain_delay)
    server.lifecycle.start()


def pre_fork(server, worker):
    """Give the worker the place of one that has ended, and a folder to start from."""
    server.lifecycle.keep_folder()
    worker.slot = worker_files.free_slot(other.slot for other in server.WORKERS.values())


def post_fork(server, worker):
    """Let the worker know its place before it loads anything, and starts a native thread."""
    worker_files.settle(metrics_folder(), worker.slot)
    share_arenas()


def child_exit(server, worker):
    """The metrics of an ended worker stay, but not what was true only while it lived."""
    worker_files.forget_live(metrics_folder(), worker.slot)


def metrics_folder():
    """Where the workers' metrics are, until the service ends."""
    return Path(os.environ[VARIABLE]) / "metrics"


def on_exit(server):
    """Leave nothing behind."""
    server.lifecycle.end()


def when_ready(server):
    """Let Ctrl-C end the server as SIGTERM does; a second one does not wait for open requests."""
    signal.signal(signal.SIGINT, server.lifecycle.interrupt)


def post_worker_init(worker):
    """A terminal sends Ctrl-C to the workers too, but when they end is the master's to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    begin_service(worker)
    start_watching(worker)
    settle_garbage_collector()


def start_watching(worker):
    """The metrics must not be imported before gevent has patched what they use."""
    from app.observability import gauges
    from app.services import readiness

    gauges.start(worker)
    readiness.keep_asking(lambda: worker.wsgi.extensions["openai_api"].catalogue)


def begin_service(worker):
    """Let the application know of SIGTERM, and the master that a worker has started."""
    lifecycle = worker.wsgi.extensions["openai_api"].lifecycle
    if lifecycle is None:
        # Somebody has removed the master's folder.
        return

    def leave(number, frame):
        lifecycle.leave()
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, leave)
    signal.siginterrupt(signal.SIGTERM, False)
    lifecycle.note_served()
    worker.log.info("Worker ready (pid: %s)", worker.pid)


def share_arenas():
    """Let native threads share memory: glibc gives each one its own, and seldom any of it back.

    https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 2)


def settle_garbage_collector():
    """Leave what a worker has loaded out of every later collection.

    A hundred thousand objects live as long as the worker; looking at all of them takes 45 ms, in
    which every stream waits. A request leaves eight objects in a cycle (of Werkzeug's routing), so
    looking at each ten thousand new ones is soon enough.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)

"""gunicorn with gevent. Every value comes from the settings table (app/settings.py)."""

import gc
import math
import os
import signal
import time

from app.settings import STARTED_AT, Settings

settings = Settings.load()

host = f"[{settings.host}]" if ":" in settings.host else settings.host
bind = f"{host}:{settings.port}"
workers = settings.workers
worker_class = "gevent"
# Far above what the models admit, so that /health is answered when they are full.
worker_connections = 2048
# Also the limit for reading a request's headers.
keepalive = 5
graceful_timeout = math.ceil(settings.graceful_timeout)
timeout = 60
loglevel = settings.server_log_level
# gRPC channels and native threads do not survive a fork.
preload_app = False
control_socket_disable = True

os.environ.setdefault(STARTED_AT, str(int(time.time())))


def when_ready(server):
    """Let Ctrl-C end the server as SIGTERM does; a second one does not wait for open requests."""

    def interrupt(number, frame):
        signal.signal(signal.SIGINT, server.signal)
        server.signal(signal.SIGTERM, frame)

    signal.signal(signal.SIGINT, interrupt)


def post_worker_init(worker):
    """A terminal sends Ctrl-C to the workers too, but when they end is the master's to say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settle_garbage_collector()


def settle_garbage_collector():
    """Leave what a worker has loaded out of every later collection.

    A hundred thousand objects live as long as the worker; looking at all of them takes 45 ms, in
    which every stream waits. A request leaves eight objects in a cycle (of Werkzeug's routing), so
    looking at each ten thousand new ones is soon enough.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)

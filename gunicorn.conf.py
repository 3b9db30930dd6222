"""gunicorn with gevent. Every value comes from the settings table (app/settings.py)."""

import os
import time

from app.settings import Settings

settings = Settings.load()

host = f"[{settings.host}]" if ":" in settings.host else settings.host
bind = f"{host}:{settings.port}"
workers = settings.workers
worker_class = "gevent"
# Far above what the models admit, so that /health is answered when they are full.
worker_connections = 2048
# Also the limit for reading a request's headers.
keepalive = 5
graceful_timeout = int(settings.graceful_timeout)
timeout = 60
loglevel = settings.server_log_level
# gRPC channels and native threads do not survive a fork.
preload_app = False
control_socket_disable = True

# Workers inherit it, so that all of them tell the same start.
os.environ.setdefault("OPENAI_API_STARTED_AT", str(int(time.time())))

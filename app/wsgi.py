"""The application for every WSGI host: `app.wsgi:app`, which the repository's wsgi.py has too."""

import logging
import sys
import time

from app import create_app
from app.errors import ConfigurationError
from app.lifecycle.master import EXIT_APP_LOAD
from app.lifecycle.service_folder import ServiceFolder

EXIT_TRY_AGAIN = 1
# Seconds before a worker that cannot start makes room for the next.
PAUSE = 2.0


def _tell(error: Exception) -> None:
    log = logging.getLogger("app")
    if not isinstance(error, ConfigurationError):
        log.error("this worker cannot start, another is tried", exc_info=error)
        return
    for problem in str(error).splitlines():
        log.error("this worker cannot start, another is tried: %s", problem)


try:
    app = create_app()
except Exception as error:
    folder = ServiceFolder.current()
    if folder is not None and folder.has_served:
        # Other workers serve; gunicorn would end them all for one that says it cannot be loaded.
        _tell(error)
        time.sleep(PAUSE)
        sys.exit(EXIT_TRY_AGAIN)
    if not isinstance(error, ConfigurationError):
        raise
    print(error, file=sys.stderr)
    sys.exit(EXIT_APP_LOAD)

"""gunicorn's own lines, Python's warnings and libraries' words in the form of the log.

For gunicorn's master, before gevent patches: of the application it imports nothing that is heavy.
"""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger

from app.observability.logs import log_handler
from app.settings import Settings


class GunicornLog(Logger):
    """gunicorn's logger; what is set for it on gunicorn's command line still counts.

    Here the whole process is the server's, so warnings and libraries go the same way.
    """

    def setup(self, cfg: Any) -> None:
        """Put the log's handler in the place of the one that gunicorn has for standard error."""
        super().setup(cfg)
        if cfg.errorlog != "-" or cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json:
            return
        handler = log_handler(Settings.load().log_format)
        for given in list(self.error_log.handlers):
            if getattr(given, "_gunicorn", False) and isinstance(given, logging.StreamHandler):
                self.error_log.removeHandler(given)
        # By this sign gunicorn takes it away when it is set up again.
        setattr(handler, "_gunicorn", True)  # noqa: B010  # no attribute of a handler
        self.error_log.addHandler(handler)
        root = logging.getLogger()
        if not root.handlers:
            root.addHandler(handler)
            logging.captureWarnings(True)

"""`python -m app.publish_config FOLDER SECONDS`: check the configuration for the workers.

gunicorn's master runs it in a process of its own at the start and for each SIGHUP. After so many
seconds it ends by SIGALRM, wherever it hangs.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from app.access.gate import open_gate
from app.application import load_catalogue
from app.errors import ConfigurationError, Problem
from app.lifecycle.service_folder import ServiceFolder, Snapshot
from app.observability import tracing
from app.observability.logs import configure_logging
from app.registry.files import ConfigurationFiles
from app.settings import Settings
from app.terminal.failures import EXIT_CONFIGURATION

# Run as a module, this one is called __main__.
log = logging.getLogger("app.publish_config")

# Behind the workers, which have requests to serve.
NICENESS = 5


def checked_snapshot(settings: Settings) -> Snapshot:
    """The configuration file with all that it names, after loading every tokenizer and template.

    Raises:
        ConfigurationError: every mistake in it, and every folder or key file that cannot be used.
    """
    files = ConfigurationFiles()
    load_catalogue(settings, files)
    open_gate(settings)
    tracing.check(settings)
    return Snapshot(settings.config_file, files.texts)


def main(folder: ServiceFolder) -> int:
    """Check and publish, or log every mistake; gives the exit code."""
    try:
        settings = Settings.load()
        configure_logging(settings)
        folder.publish(checked_snapshot(settings))
    except ConfigurationError as error:
        return _report(error.problems, has_served=folder.has_served)
    except OSError as error:
        problem = Problem(str(folder.path), f"cannot be written: {error.strerror}")
        return _report([problem], has_served=folder.has_served)
    if folder.has_served:
        log.info("%s has no mistakes; the workers take it over", settings.config_file.name)
    return 0


def _report(problems: Sequence[Problem], *, has_served: bool) -> int:
    for problem in problems:
        log.error("%s", problem)
    if has_served:
        log.error("the configuration is not reloaded; correct it and send SIGHUP again")
    return EXIT_CONFIGURATION


if __name__ == "__main__":
    signal.alarm(int(sys.argv[2]))
    os.nice(NICENESS)
    # A terminal sends Ctrl-C to every process; the master tells this one when to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(main(ServiceFolder(Path(sys.argv[1]))))

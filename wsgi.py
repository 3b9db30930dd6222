"""The application for every WSGI host: `gunicorn wsgi:app`, `flask --app wsgi run`."""

import sys

from app import create_app
from app.errors import ConfigurationError

try:
    app = create_app()
except ConfigurationError as error:
    print(error, file=sys.stderr)
    # The code by which gunicorn knows that starting another worker would not help.
    sys.exit(4)

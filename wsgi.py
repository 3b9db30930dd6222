"""The application for every WSGI host: `gunicorn wsgi:app`, `flask --app wsgi run`."""

from app.wsgi import app

__all__ = ["app"]

"""The version, as `GET /version` and the package tell it."""

VERSION = "0.1.0"

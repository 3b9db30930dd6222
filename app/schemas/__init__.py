"""Requests and the configuration file as marshmallow schemas: they give frozen values or errors."""

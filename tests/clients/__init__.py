"""Real client libraries against the server."""

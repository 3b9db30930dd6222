"""The server behind nginx and HAProxy, configured as in deploy/."""

"""The gRPC client on plain sockets: alone, against the `h2` library, against real servers."""

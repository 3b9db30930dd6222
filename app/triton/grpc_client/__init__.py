"""A blocking gRPC client on plain sockets, for greenlets and threads alike; knows no Triton."""

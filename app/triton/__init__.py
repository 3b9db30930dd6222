"""The only importer of tritonclient and grpc: connections, streams, tensors, errors."""

"""One module for each Triton contract: requests into tensors, answers into tokens or vectors."""

"""What the command line writes: colours, tables and failures. Knows nothing of models."""

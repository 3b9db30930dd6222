"""all-MiniLM-L6-v2 in numpy: the encoder, its sentence embeddings, and scores of text pairs."""

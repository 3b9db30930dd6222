"""The demo's language model without Triton: a numpy Llama, FasterTransformer's decoding rules."""

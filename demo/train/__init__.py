"""Trains the small language model that the demo serves."""

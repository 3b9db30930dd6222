"""Tests against a real tritonserver, through a real server process."""

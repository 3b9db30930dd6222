"""The playground in a real Chromium, against the demo's real Triton."""

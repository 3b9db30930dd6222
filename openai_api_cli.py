#!/usr/bin/env python3
"""The command line as the older openai_api starts it: the same as `openai-api`."""

import sys

from app.cli import main

if __name__ == "__main__":
    sys.exit(main())

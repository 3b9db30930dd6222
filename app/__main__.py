"""`python -m app` is `openai-api`."""

import sys

from app.cli import main

if __name__ == "__main__":
    sys.exit(main())

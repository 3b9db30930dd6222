"""From start to end: the checked configuration, its reload, and how workers learn of both."""

"""HTTP verbs only: a view is its decorators and one call."""

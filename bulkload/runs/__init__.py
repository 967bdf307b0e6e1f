"""One run: what it is bound to, one process's work on it, and how it stands."""

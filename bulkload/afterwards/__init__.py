"""What is done with a run that has ended: replay, resolve, extend, undo."""

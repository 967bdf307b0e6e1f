"""SQLite: one writer thread, group commit; what is settled, in doubt, dead-lettered."""

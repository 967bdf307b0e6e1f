"""Observers and words for people: nothing here can stop a load."""

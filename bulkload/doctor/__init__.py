"""`bulkload doctor`: is everything as a load needs it, and what is this portal like?"""

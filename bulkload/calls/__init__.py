"""When a call may leave, and what its end teaches: rate, day, token, gate, outages."""

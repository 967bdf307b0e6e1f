"""`check`: what a load would do, without sending anything."""

"""Work on groups of records in processes of their own."""

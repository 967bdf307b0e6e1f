"""The moving part: workers that carry batches through the remote, and what becomes of each."""

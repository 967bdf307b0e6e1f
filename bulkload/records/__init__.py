"""Sources → batches: records read with their ordinals, what is sent for each, and who falls out."""

"""`bulkload demo`: the main job, shown on an embedded HubSpot and checked by its books."""

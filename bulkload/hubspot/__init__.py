"""The only place that knows HubSpot or HTTP."""

"""The embedded HubSpot: a real server on a real socket, with faults on demand.

Law: it knows nothing of the loader. What the two agree on is the wire, and only the wire,
so a test that passes against it says something about HubSpot too.
"""

from __future__ import annotations

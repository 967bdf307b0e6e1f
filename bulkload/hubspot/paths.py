"""Where HubSpot's endpoints are: one place, since date-versioned twins exist.

Source: HubSpot's public spec of CRM emails v3 and account-info v3.
"""

from __future__ import annotations

CREATE = "/crm/v3/objects/emails/batch/create"
READ = "/crm/v3/objects/emails/batch/read"
READ_ARCHIVED = READ + "?archived=true"
SEARCH = "/crm/v3/objects/emails/search"
ARCHIVE = "/crm/v3/objects/emails/batch/archive"
PROPERTY = "/crm/v3/properties/emails/"
ACCOUNT = "/account-info/v3/details"
USAGE = "/account-info/v3/api-usage/daily/private-apps"
PROBE = "/crm/v3/objects/emails?limit=1"
"""A read that costs the remote little: it tells whether emails answer at all."""

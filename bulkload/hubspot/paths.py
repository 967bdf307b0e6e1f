"""Where HubSpot's endpoints are: one place, since date-versioned twins exist.

Source: HubSpot's public spec of CRM emails, contacts and owners v3, associations v4, files v3,
account-info v3 and OAuth v1 and v2.
"""

from __future__ import annotations

CREATE = "/crm/v3/objects/emails/batch/create"
READ = "/crm/v3/objects/emails/batch/read"
READ_ARCHIVED = READ + "?archived=true"
SEARCH = "/crm/v3/objects/emails/search"
ARCHIVE = "/crm/v3/objects/emails/batch/archive"
CONTACTS_READ = "/crm/v3/objects/contacts/batch/read"
CONTACTS_UPSERT = "/crm/v3/objects/contacts/batch/upsert"
CONTACTS_UPDATE = "/crm/v3/objects/contacts/batch/update"
CONTACTS_ARCHIVE = "/crm/v3/objects/contacts/batch/archive"
OWNERS = "/crm/v3/owners"
FILES = "/files/v3/files"
PROPERTIES = "/crm/v3/properties/emails"
PROPERTY = PROPERTIES + "/"
ACCOUNT = "/account-info/v3/details"
USAGE = "/account-info/v3/api-usage/daily/private-apps"
LABELS = "/crm/v4/associations/emails/{}/labels"
"""Of emails to records of one kind, `contacts` for example."""
PRIVATE_APP = "/oauth/v2/private-apps/get/access-token-info"
OAUTH_APP = "/oauth/v1/access-tokens/"
OAUTH_TOKEN = "/oauth/v1/token"  # noqa: S105  # an address
PROBE = "/crm/v3/objects/emails?limit=1"
"""A read that costs the remote little: it tells whether emails answer at all."""

"""Pure: message bytes → Email (headers, addresses, dates, bodies, charsets)."""

"""What `bulkload sandbox --help` says beneath its options: faults, outages, the control calls."""

from __future__ import annotations

EPILOG = """\b
Fault kinds (--fault KIND=RATE, repeatable; RATE is 0.02 or 2%, of the calls that create or
upsert emails or contacts, one or many, or upload files; emails:KIND=RATE, contacts:... and
files:... are of those alone):
  nothing is created:
    429           refused as over the rate limit
    423           LOCKED
    477           migration between data centres, with Retry-After
    401           EXPIRED_AUTHENTICATION
    413           an HTML page says that the batch is too large
    500, 503      as JSON
    502-html      an HTML page from the edge
    reset-before  connection reset once the call was read
  all is created:
    500-after 503-after 504-after   and then this is answered
    reset-after   and then the connection is reset
    late          504 at once, created some seconds later
    truncate      the answer breaks off half way
    silent-207    a 207 that leaves out some or all inputs, with no errors (batches only)
    slow          answered as it should be, seconds later
  either:
    stall         never answered; half of them are created, by chance

\b
Outages (--outage START+LENGTH:KIND, repeatable; seconds from the first call):
    503, 423      as JSON
    477           as JSON; Retry-After says what is left
    502 (or html), 504, 521, 522, 523, 524
                  an HTML page from the edge
    reset         connection reset once the call was read
    stall         taken, never answered, cut when the outage ends
    refuse        the port is closed (the control calls below too), then open again

\b
What it saw, for scripts (no token, no limits, no faults):
    GET  /_sandbox/books      counts, as one JSON object
    GET  /_sandbox/emails     every email, one JSON line each
    GET  /_sandbox/contacts   every contact, one JSON line each
    GET  /_sandbox/files      every file, one JSON line each
    GET  /_sandbox/arrivals   {"t","ended","method","path","status"}, one JSON line a call
    POST /_sandbox/faults     {"faults":{"503":0.1},"outages":["0+5:503"]}
    POST /_sandbox/outage     {"kind":"503","seconds":45,"after":2} adds one
    POST /_sandbox/limits     {"rate_limit":"100/10s","search_limit":"5/1s","others":6,
                              "daily_limit":200,"daily_reset":30} what is named changes
    POST /_sandbox/contacts   {"emails":["a@b.com;second@b.com"]} gives their ids
    POST /_sandbox/expire     ends every token
    POST /_sandbox/reset      an empty portal again: no records, no counts, the first tokens;
                              faults, outages and limits stay as they were last set

\b
Examples:
    bulkload sandbox --port 8080
    bulkload sandbox --fault 503=2% --fault reset-after=1% --seed 7
    bulkload sandbox --bare --outage 10+60:503 --latency 120
    bulkload sandbox --contacts people.csv --owners 20 --fault contacts:late=5%
    bulkload load mail/ --base-url http://127.0.0.1:8080
"""

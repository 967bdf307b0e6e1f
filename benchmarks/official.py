"""The official client in the plainest use of it: serial calls of `batch_api.create`.

Serial, since on one core threads only add to its work; dicts as inputs, as in HubSpot's own
examples, which is faster than its model classes.
"""

from __future__ import annotations

import json
import sys
from itertools import count, islice
from pathlib import Path

from hubspot import HubSpot
from hubspot.crm.objects.emails import BatchInputSimplePublicObjectBatchInputForCreate

BATCH = 100


def load(source: Path, base_url: str) -> None:
    api = HubSpot(access_token="x", host=base_url).crm.objects.emails.batch_api
    loaded, numbers = 0, count()
    with source.open("rb") as lines:
        while batch := list(islice(lines, BATCH)):
            inputs = [
                {
                    "properties": json.loads(line)["properties"],
                    "associations": [],
                    "objectWriteTraceId": str(number),
                }
                for line, number in zip(batch, numbers, strict=False)
            ]
            answer = api.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs))
            loaded += len(answer.results)
    print(json.dumps({"loaded": loaded}))


if __name__ == "__main__":
    load(Path(sys.argv[1]), sys.argv[2])

"""Workers that pull until there is no more.

Law kept here: nothing lost in silence: one that was cancelled has left what it carried, so a run
whose others came to the end is not at its end.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bulkload.errors import StoppedResumable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable


async def all_done(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run each to its end. One that raises cancels the others, and its error is raised.

    Raises StoppedResumable where code that they called cancelled one of them, which a task group
    takes for an end like any other.
    """
    try:
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(each) for each in works]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    if any(worker.cancelled() for worker in workers):
        raise StoppedResumable(
            "a worker was cancelled by code that it called (an observer, or a source of your own): "
            "what it carried is looked at when the run goes on"
        )

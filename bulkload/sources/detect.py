"""What the user named → sources: files, folders, globs, addresses, stdin; none of them twice.

Every refusal comes before anything is sent, and names the file, the position and what to do.
"""

from __future__ import annotations

import glob
import os
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkload.errors import RefusedToStart
from bulkload.sources.files import FileSource
from bulkload.sources.formats import FORMATS
from bulkload.sources.holders import in_folder
from bulkload.sources.mbox import begins_as_mbox
from bulkload.sources.opening import ARCHIVES, head_of, in_place, open_place
from bulkload.sources.own import OwnSource
from bulkload.sources.places import Local, Place
from bulkload.sources.sniffing import by_content, by_extension
from bulkload.sources.spool import spool_stdin

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from bulkload.protocols import Source
    from bulkload.sources.asked import Asked


_STREAMED = ("ndjson", "json", "csv", "mbox", "letters", "mapped")
"""What is read from stdin; without a format NDJSON, or an mbox that begins as one."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_ADDRESSED = {
    **dict.fromkeys(("postgresql", "postgres", "mysql", "mariadb", "sqlite"), "sql"),
    **dict.fromkeys(("imaps", "imap"), "imap"),
    **dict.fromkeys(("s3", "gs", "az", "https", "http", "sftp"), "remote"),
}
"""By scheme (what stands before a +), the module of this package whose `opened(address, asked,
say)` gives the sources that an address names, or `named(address)` the places, and
`public(address)` that without what is secret.
"""


def open_sources(
    specs: Sequence[str],
    asked: Asked,
    *,
    spool_dir: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Source]:
    """The sources that `specs` name: files, folders, globs (sorted), addresses (scheme://...), "-"
    for stdin.

    The format asked for is one of FORMATS, for all of them. Stdin is written
    to `spool_dir`/stdin.ndjson first, so that it can be read again. `say` is told what was
    found in folders and archives, and what was left out there. Raises RefusedToStart.
    """
    names = [known.name for known in FORMATS]
    format = asked.format  # noqa: A001  # the flag's name
    if format is not None and format not in names:
        raise RefusedToStart(f"--format {format}: unknown; one of {', '.join(names)}.")
    if not specs:
        raise RefusedToStart("no source was named: give a file, a folder, a glob, or - for stdin.")
    sources: list[Source] = []
    seen: dict[Hashable, str] = {}
    for spec in specs:
        for path in _expanded(spec):
            found = [_stdin(spool_dir, asked, say)] if path == "-" else _open(path, asked, say)
            for source in found:
                identity = _identity(path, source)
                if identity in seen:
                    other = seen[identity]
                    also = f" (as {other} too)" if other != source.name else ""
                    raise RefusedToStart(
                        f"{source.name}: was named twice{also}: "
                        "its records would be loaded twice. Name it once."
                    )
                seen[identity] = source.name
            sources += found
    return sources


def opened_all(
    given: Sequence[str | OwnSource],
    asked: Asked,
    *,
    spool_dir: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Source]:
    """As `open_sources`; those of a program's own come behind. Raises RefusedToStart."""
    specs = [each for each in given if isinstance(each, str)]
    own = [each for each in given if not isinstance(each, str)]
    names = [each.name for each in own]
    if len({*names}) < len(names):
        raise RefusedToStart(f"two sources are named {max(names, key=names.count)!r}: name each.")
    found = open_sources(specs, asked, spool_dir=spool_dir, say=say) if specs or not own else []
    return [*found, *own]


def named(given: Iterable[str | os.PathLike[str] | OwnSource]) -> tuple[str | OwnSource, ...]:
    """Sources as a program gives them, paths as text. Raises RefusedToStart for what is none."""
    found: list[str | OwnSource] = []
    for each in given:
        if not isinstance(each, str | os.PathLike | OwnSource):
            raise RefusedToStart(
                f"a source is a path, an address or an OwnSource, not a {type(each).__name__}: "
                "give several one by one"
            )
        found.append(each if isinstance(each, OwnSource) else os.fspath(each))
    return tuple(found)


def kept(given: Sequence[str | OwnSource]) -> list[str]:
    """What the user named, as a later life finds it from anywhere; stdin has no later."""
    return [
        _module(scheme).public(spec) if (scheme := _scheme(spec)) else str(Path(spec).absolute())
        for spec in given
        if isinstance(spec, str) and spec != "-"
    ]


def _identity(path: str, source: Source) -> Hashable:
    """Two sources that have this in common are one."""
    if isinstance(source, FileSource):
        return source.place.identity, source.member
    if _scheme(path):
        return source.name
    return Path(path).resolve(), source.format


def _scheme(spec: str) -> str:
    """That of an address, in lower case; "" of a path."""
    found = _SCHEME.match(spec)
    return found[1].lower() if found and not os.path.lexists(spec) else ""


def _expanded(spec: str) -> list[str]:
    # A file whose own name has brackets in it is that file.
    if spec == "-" or _scheme(spec) or os.path.lexists(spec) or not glob.has_magic(spec):
        return [spec]
    paths = sorted(glob.glob(spec, recursive=True))  # noqa: PTH207  # names as the user gave them
    if not paths:
        raise RefusedToStart(f"{spec}: no file matches. Check the pattern and the folder.")
    return paths


def _stdin(spool_dir: Path | None, asked: Asked, say: Callable[[str], None]) -> Source:
    form = asked.format
    if form is not None:
        _refuse_unless_streamed(form)
    if spool_dir is None:
        raise RefusedToStart("-: stdin can't be kept without a run directory; name a file.")
    path = spool_stdin(spool_dir)
    if path.stat().st_size == 0:
        raise RefusedToStart("-: stdin is empty: nothing to load.")
    place = Local(path)
    head = head_of(place, "stdin")
    if form is None:
        form = "mbox" if begins_as_mbox(head) else by_content(head, "-")
        _refuse_unless_streamed(form)
    return open_place(place, "stdin", head, form, asked, say)


def _refuse_unless_streamed(form: str) -> None:
    if form not in _STREAMED:
        listed = ", ".join(_STREAMED)
        raise RefusedToStart(f"-: stdin can't hold {form}; it is read as {listed}.")


def _open(path: str, asked: Asked, say: Callable[[str], None]) -> list[Source]:
    if scheme := _scheme(path):
        return _addressed(scheme, path, asked, say)
    form = asked.format
    if Path(path).is_dir():
        return in_folder(path, asked, say)
    if form in ("maildir", "mh"):
        raise RefusedToStart(f"{path}: is no folder, and --format {form} reads folders.")
    return in_place(Local(path), path, asked, say)


def _addressed(scheme: str, address: str, asked: Asked, say: Callable[[str], None]) -> list[Source]:
    module = _module(scheme)
    if hasattr(module, "named"):  # files, and of any format
        return _in_places(module.named(address), asked, say)
    found: list[Source] = module.opened(address, asked, say)
    return found


def _in_places(found: Sequence[Place], asked: Asked, say: Callable[[str], None]) -> list[Source]:
    """Of several, those whose names tell a format; the others are said."""
    if len(found) == 1 or asked.format is not None:
        return [source for each in found for source in in_place(each, str(each), asked, say)]
    known = [each for each in found if by_extension(str(each)) or str(each).endswith(ARCHIVES)]
    if left := len(found) - len(known):
        say(f"{left:,} of {len(found):,} files there have no ending that is read, and are left out")
    single = [each for each in known if by_extension(str(each)) in ("eml", "msg")]
    if single and len(single) < len(known):
        say(
            f"{len(single):,} of {len(found):,} files there are single messages, and are left out: "
            "fetch them, or put them into a .zip or .tgz"
        )
        known = [each for each in known if each not in single]
    return [source for each in known for source in in_place(each, str(each), asked, say)]


def _module(scheme: str) -> Any:
    kind = scheme.partition("+")[0]  # what follows names a driver
    if kind not in _ADDRESSED:
        known = ", ".join(f"{each}://" for each in _ADDRESSED)
        raise RefusedToStart(
            f"{scheme}://: nothing is read from there. Fetch what it holds and name that; known "
            f"are {known}."
        )
    return import_module(f"bulkload.sources.{_ADDRESSED[kind]}")

"""Transfer encodings undone (RFC 2045 6), as they are found in the wild. Never raises, linear.

Law kept here: nothing readable is dropped: what can't be decoded is taken as it is written.
"""

from __future__ import annotations

import binascii
import re
import string

_BASE64 = (string.ascii_letters + string.digits + "+/").encode()
_FOREIGN = bytes(set(range(256)).difference(_BASE64))
_BLANK = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"  # of the order of bytes
_UNSEEN = bytes(range(0x21)) + b"\x7f\xa0\xc2"  # controls, and blanks that don't break
_LEAST_SOUND = 32  # bytes for each foreign one: words have one more often
_SOFT_BREAK = re.compile(rb"=[ \t]*(?:\r?\n|\r)")
_UU_BEGIN = re.compile(rb"^begin(?:-base64)? +[0-7]{3,4}[^\n]*\n", re.MULTILINE)


def undone(body: bytes, encoding: str, *, plain: bool = False) -> bytes:
    """`body` with its transfer encoding undone. `encoding` as it is written in the header, in
    lower case; one that is not known is none. `plain`: it is a text, in which a uuencoded
    file may stand among words: then all is left as it is written, for `uu.separated`.
    """
    if encoding.startswith("quoted"):
        return _quoted_printable(body)
    if encoding.startswith("base64"):
        return _base64(body)
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return _uuencode(body, plain=plain)
    return body


def _quoted_printable(body: bytes) -> bytes:
    # The decoder knows no blanks after "=", and past a CR there it drops all up to a line feed.
    if b"\r" in body or b"= " in body or b"=\t" in body:
        body = _SOFT_BREAK.sub(b"", body)
    return binascii.a2b_qp(body)


def _base64(body: bytes) -> bytes:
    foreign = body.translate(None, _BASE64 + _BLANK)
    if not foreign.strip(b"=") and foreign.count(b"=") <= 2:
        return _quads(body)
    # Encoded in pieces, each with its padding; or a list's footer after it in plain text.
    undone: list[bytes] = []
    run: list[bytes] = []
    for line in body.splitlines(keepends=True):
        if _is_text(line.removeprefix(_MARK).strip(_UNSEEN)):
            undone += (_quads(b"".join(run)), line)
            run = []
            continue
        run.append(line)
        if b"=" in line:
            undone.append(_quads(b"".join(run)))
            run = []
    undone.append(_quads(b"".join(run)))
    return b"".join(undone)


def _is_text(line: bytes) -> bool:
    """Whether what is no base64 in the line is more than a mishap, which the decoder passes over
    (RFC 2045 6.8): a break in an overlong line, a byte order mark.
    """
    foreign = line.translate(None, _BASE64 + b"=")
    return len(foreign) * _LEAST_SOUND > len(line)


def _quads(encoded: bytes) -> bytes:
    """Padding that is missing is put there; one letter too many (a cut) is left out."""
    try:
        return binascii.a2b_base64(encoded)
    except ValueError:
        letters = encoded.translate(None, _FOREIGN)
        if len(letters) % 4 == 1:
            letters = letters[:-1]
        return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _uuencode(body: bytes, *, plain: bool) -> bytes:
    begin = _UU_BEGIN.search(body)
    if begin is None or (plain and body[: begin.start()].strip()):
        return body
    undone: list[bytes] = []
    lines = iter(body[begin.end() :].splitlines())
    for line in lines:
        if line.strip() == b"end":
            break
        try:
            undone.append(binascii.a2b_uu(line))
        except ValueError:
            # Trailing garbage of broken encoders: the first letter says how much is meant.
            meant = (((line[0] - 32) & 63) * 4 + 5) // 3 if line else 0
            try:
                undone.append(binascii.a2b_uu(line[:meant]))
            except ValueError:
                return body
    return body if plain and any(map(bytes.strip, lines)) else b"".join(undone)

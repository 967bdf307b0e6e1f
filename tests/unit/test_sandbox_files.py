"""Forms read byte by byte, files named once a folder, and uploads judged whatever is sent."""

from __future__ import annotations

import hashlib
from time import process_time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.sandbox import multipart, uploads
from bulkload.sandbox.answers import Call, Refused
from bulkload.sandbox.config import SandboxConfig
from bulkload.sandbox.filebooks import FileBooks
from bulkload.sandbox.portal import Portal

BOUNDARY = "----a-boundary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
OPTIONS: dict[str, Any] = {"access": "PRIVATE"}


def form(fields: dict[str, bytes], files: dict[str, tuple[str, bytes]] | None = None) -> bytes:
    out = b""
    for name, content in fields.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        out += head.encode() + content + b"\r\n"
    for name, (filename, content) in (files or {}).items():
        head = (
            f"--{BOUNDARY}\r\nContent-Type: application/pdf\r\n"
            f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
        )
        out += head.encode() + content + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode()


def portal(**options: Any) -> Portal:
    return Portal(SandboxConfig(**options), clock=lambda: 0.0, wall=lambda: 1_700_000_000.0)


def send(books: Portal, raw: bytes, content_type: str = FORM) -> tuple[int, Any]:
    try:
        answer = uploads.upload(books, Call(raw, {}, {}, 0.0, 1_700_000_000.0, content_type))
    except Refused as refused:
        answer = refused.answer
    return answer.status, orjson.loads(answer.body)


def upload(
    books: Portal, content: bytes = b"x", name: str = "a.pdf", folder: str = "/mail", **more: Any
) -> tuple[int, Any]:
    fields = {"options": orjson.dumps({**OPTIONS, **more}), "folderPath": folder.encode()}
    return send(books, form(fields, {"file": (name, content)}))


def one(books: Portal, act: Any, identity: str) -> int:
    status: int = act(books, Call(b"", {"id": identity}, {}, 0.0, 1_700_000_000.0)).status
    return status


@given(
    content=st.binary(max_size=200),
    name=st.from_regex(r"[a-zäß]{1,4} ?[a-z]{1,4}\.pdf", fullmatch=True),
)
def test_a_file_comes_out_of_the_form_as_it_went_in(content: bytes, name: str) -> None:
    parts = multipart.parse(FORM, form({"options": b"{}"}, {"file": (name, content)}))
    assert parts["file"].content == content
    assert parts["file"].filename == name
    assert (parts["options"].content, parts["options"].filename) == (b"{}", None)


WHOLE = form({"a": b"1"}, {"file": ("f", b"2")})


@pytest.mark.parametrize("length", range(len(WHOLE) - 3))
def test_a_form_that_is_cut_off_is_none(length: int) -> None:
    with pytest.raises(ValueError, match="form"):
        multipart.parse(FORM, WHOLE[:length])
    assert send(portal(), WHOLE[:length])[0] == 400


@given(raw=st.binary(max_size=60), said=st.sampled_from([FORM, "multipart/form-data", "", "text"]))
def test_no_body_makes_an_upload_fail(raw: bytes, said: str) -> None:
    head = f"--{BOUNDARY}\r\n".encode()
    for body in (raw, head + raw, WHOLE[:40] + raw + WHOLE[40:]):
        assert send(portal(), body, said)[0] in (400, 415)


def test_an_upload_says_what_became_of_it() -> None:
    books = portal()
    status, said = upload(books, b"content", "Report 1.PDF", "mail/2026")
    assert status == 201
    shown = {name: said[name] for name in ("name", "extension", "path", "size", "access", "type")}
    assert shown == {
        "name": "Report 1",
        "extension": "pdf",
        "path": "/mail/2026/Report 1.pdf",
        "size": 7,
        "access": "PRIVATE",
        "type": "DOCUMENT",
    }
    (held,) = books.files.export()
    assert (held["id"], held["deleted"]) == (said["id"], False)
    assert held["sha256"] == hashlib.sha256(b"content").hexdigest()
    assert one(books, uploads.read, said["id"]) == 200
    assert one(books, uploads.delete, said["id"]) == 204
    assert one(books, uploads.read, said["id"]) == 404
    assert one(books, uploads.delete, said["id"]) == 404
    assert [held["deleted"] for held in books.files.export()] == [True]


def test_a_folder_can_be_named_by_its_id() -> None:
    books = portal()
    _, first = upload(books, folder="/mail")
    fields = {"options": orjson.dumps(OPTIONS), "folderId": first["parentFolderId"].encode()}
    status, said = send(books, form(fields, {"file": ("b.txt", b"y")}))
    assert (status, said["path"]) == (201, "/mail/b.txt")
    fields["folderId"] = b"1"
    assert send(books, form(fields, {"file": ("b.txt", b"y")}))[0] == 404


@pytest.mark.parametrize(
    ("fields", "file", "message"),
    [
        ({"folderPath": b"/"}, "a.pdf", "options parameter is required"),
        (
            {"options": b'{"access":"PRIVATE"}'},
            "a.pdf",
            "Either folderId or folderPath is required",
        ),
        ({"options": b'{"access":"PRIVATE"}', "folderPath": b"/"}, None, "file parameter"),
        ({"options": b"{}", "folderPath": b"/"}, "a.pdf", "[access]"),
        ({"options": b"no", "folderPath": b"/"}, "a.pdf", "options is no JSON"),
        ({"options": b'{"access":"HIDDEN"}', "folderPath": b"/"}, "a.pdf", "access must be one of"),
        (
            {"options": b'{"access":"PRIVATE"}', "folderPath": b"/", "folderId": b"1"},
            "a.pdf",
            "Only one of",
        ),
        ({"options": b'{"access":"PRIVATE"}', "folderPath": b"/"}, "a.EXE", "not supported"),
    ],
)
def test_what_is_refused_is_named_and_changes_nothing(
    fields: dict[str, bytes], file: str | None, message: str
) -> None:
    books = portal()
    status, said = send(books, form(fields, {"file": (file, b"x")} if file else {}))
    assert (status, said["category"]) == (400, "VALIDATION_ERROR")
    assert message in said["message"]
    assert books.files.files == {}


def test_another_content_type_and_a_file_too_large_are_refused() -> None:
    books = portal(max_file=5)
    assert send(books, b"{}", "application/json")[0] == 415
    assert upload(books, b"12345")[0] == 201
    status, said = upload(books, b"123456", "b.pdf")
    assert (status, said["category"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("scope", [{}, {"duplicateValidationScope": "EXACT_FOLDER"}])
def test_the_same_content_again(scope: dict[str, str]) -> None:
    books = portal()
    _, first = upload(books, b"same", "a.pdf", "/mail")

    def again(strategy: str, folder: str) -> tuple[int, Any]:
        return upload(
            books, b"same", "b.pdf", folder, duplicateValidationStrategy=strategy, **scope
        )

    assert again("RETURN_EXISTING", "/mail") == (201, first)
    assert again("REJECT", "/mail")[0] == 409
    assert again("RETURN_EXISTING", "/other")[1]["id"] == first["id"] or scope
    assert len(books.files.files) == (2 if scope else 1)
    assert again("NONE", "/mail")[1]["id"] != first["id"]
    one(books, uploads.delete, first["id"])
    assert again("RETURN_EXISTING", "/mail")[1]["id"] != first["id"]


def test_a_name_that_is_taken() -> None:
    books = portal()
    ids = [upload(books, content)[1]["id"] for content in (b"1", b"2", b"3")]
    assert [held["path"] for held in books.files.export()] == [
        "/mail/a.pdf",
        "/mail/a-1.pdf",
        "/mail/a-2.pdf",
    ]
    _, over = upload(books, b"4", overwrite=True)
    assert over["path"] == "/mail/a.pdf"
    assert over["id"] not in ids
    assert [held["deleted"] for held in books.files.export()] == [True, False, False, False]


def test_many_files_of_one_name_take_no_longer_each() -> None:
    books = FileBooks()
    begun = process_time()
    for number in range(5000):
        made = books.add(b"x", "a.pdf", "/", "PRIVATE", 0.0, overwrite=False)
        assert made.stem == (f"a-{number}" if number else "a")
    assert process_time() - begun < 1  # by trying each number it took ten times as long


def test_a_file_name_in_an_odd_charset_is_shown() -> None:
    books = portal()
    raw = form({"options": orjson.dumps(OPTIONS), "folderPath": b"/x"}, {"file": ("N", b"abc")})
    odd = raw.replace(b'filename="N"', b"filename*=unicode_escape''%5Cud800.txt")
    status, made = send(books, odd)
    assert (status, made["extension"]) == (201, "txt")
    assert orjson.dumps(list(books.files.export()))


NAMES = st.sampled_from(["a.txt", "a-1.txt", "a", ".", "..", "b/a.txt", "A.TXT"])


@given(
    steps=st.lists(
        st.one_of(st.tuples(NAMES, st.sampled_from(["/", "/x"]), st.booleans()), st.integers(0, 5)),
        max_size=12,
    )
)
def test_no_two_files_of_a_folder_have_one_name(steps: list[Any]) -> None:
    books = FileBooks()
    for step in steps:
        if isinstance(step, int):
            live = [file for file in books.files.values() if file.deleted_at is None]
            if live:
                books.delete(live[step % len(live)], 0.0)
            continue
        name, folder, overwrite = step
        made = books.add(b"x", name, folder, "PRIVATE", 0.0, overwrite=overwrite)
        assert books.find(made.id) is made
        assert books.same(b"x", folder) is not None
    paths = [one["path"] for one in books.export() if not one["deleted"]]
    assert len(paths) == len(set(paths)) == books.live

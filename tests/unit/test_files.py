"""Files: what is uploaded is what the remote reads, no name breaks out, repeats change nothing."""

from __future__ import annotations

import email.parser
import email.policy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.hubspot import files
from bulkload.hubspot.files import (
    Deleted,
    Refused,
    Uploaded,
    folder,
    judge_delete,
    judge_upload,
    stored_name,
    upload,
)
from bulkload.hubspot.replies import Denied, Doubtful, NotSent, Reply, TryLater
from tests.making import NO_HEADERS, reply

HASH = "0123456789abcdef" * 4


def parts(request: files.Upload) -> dict[str, tuple[str, str, bytes]]:
    """Name → (file name, type, content), as another reader of MIME finds them."""
    head = f"Content-Type: {request.content_type}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    assert message.is_multipart()
    assert not message.defects
    found = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        given = part.get_param("filename", "", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        assert len(part.keys()) == 2
        found[str(name)] = (str(given), part.get_content_type(), content)
    return found


def test_an_upload_is_private_and_gives_back_what_is_there() -> None:
    found = parts(upload(b"hello", "Offer 7.pdf", "application/pdf", "2026-01-01-abc"))
    assert list(found) == ["options", "folderPath", "fileName", "file"]
    assert orjson.loads(found["options"][2]) == {
        "access": "PRIVATE",
        "overwrite": False,
        "duplicateValidationStrategy": "RETURN_EXISTING",
        "duplicateValidationScope": "EXACT_FOLDER",
    }
    assert found["folderPath"][2] == b"/bulkload/2026-01-01-abc"
    name = "Offer 7-2cf24dba5fb0a30e.pdf"
    assert found["fileName"][2] == name.encode()
    assert found["file"] == (name, "application/pdf", b"hello")


@given(st.binary(max_size=300), st.text(max_size=40), st.text(max_size=30), st.text(max_size=10))
def test_whatever_it_holds_and_is_called_another_reader_finds_it_whole(
    content: bytes, name: str, kind: str, run: str
) -> None:
    request = upload(content, name, kind, run)
    assert request == upload(content, name, kind, run)
    boundary = request.content_type.split("boundary=")[1].encode()
    assert len(boundary) <= 70
    assert boundary not in content
    assert request.body.count(b"--" + boundary) == 5
    head = b'Content-Disposition: form-data; name="file"; filename="'
    assert request.body.count(head) >= 1
    header, _, rest = request.body.split(head, 1)[1].partition(b"\r\n\r\n")
    assert header.count(b"\r\n") == 1
    assert header.count(b'"') == 1
    assert rest == content + b"\r\n--" + boundary + b"--\r\n"


@given(st.text(max_size=300))
def test_a_stored_name_is_short_safe_and_the_contents_own(name: str) -> None:
    stored = stored_name(name, HASH)
    assert len(stored.encode()) <= files.NAME_BYTES
    assert "0123456789abcdef" in stored
    assert not set(stored) & set('/\\"\r\n\0:*?<>|')
    assert not stored.startswith((".", " "))


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("report.final.PDF", "report.final-0123456789abcdef.PDF"),
        ("no ending", "no ending-0123456789abcdef"),
        ("", "attachment-0123456789abcdef"),
        ("..", "attachment-0123456789abcdef"),
        (".bashrc", "bashrc-0123456789abcdef"),
        ("../../etc/passwd", "etc_passwd-0123456789abcdef"),
        ('a"b\r\nX: y.txt', "a_b_X_ y-0123456789abcdef.txt"),
        ("Grüße 你好.docx", "Grüße 你好-0123456789abcdef.docx"),
        ("v1. the long version", "v1. the long version-0123456789abcdef"),
    ],
)
def test_a_name_keeps_what_people_know_it_by(name: str, stored: str) -> None:
    assert stored_name(name, HASH) == stored


def test_a_run_has_one_folder() -> None:
    assert folder("mail-1") == "/bulkload/mail-1"
    assert folder("../x") == "/bulkload/..-x"
    assert folder("") == "/bulkload/run"


@pytest.mark.parametrize("status", [200, 201])
def test_a_file_that_is_there_has_an_id(status: int) -> None:
    assert judge_upload(reply(status, {"id": "77", "name": "x"})) == Uploaded("77")
    assert judge_upload(reply(status, {"id": 77})) == Uploaded("77")


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_refusal_is_about_the_file(status: int) -> None:
    body = {"category": "VALIDATION_ERROR", "message": "type not allowed"}
    refused = judge_upload(reply(status, body))
    assert isinstance(refused, Refused)
    assert (refused.because.status, refused.because.category) == (status, "VALIDATION_ERROR")
    assert isinstance(judge_delete(reply(status, body)), Refused)


def test_a_413_without_a_word_says_what_it_means() -> None:
    refused = judge_upload(reply(413, b"<html>"))
    assert isinstance(refused, Refused)
    assert "too large" in refused.because.message


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": "a b"}, b"<html>", b""], ids=str)
def test_an_answer_without_an_id_is_asked_for_again(body: Any) -> None:
    assert isinstance(judge_upload(reply(201, body)), Doubtful)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Reply(0, NO_HEADERS, b"", left=False), NotSent),
        (Reply(0, NO_HEADERS, b"", left=True), Doubtful),
        (Reply(201, NO_HEADERS, b"", whole=False), Doubtful),
        (reply(429), TryLater),
        (reply(503), Doubtful),
        (reply(401), Denied),
        (reply(403), Denied),
        (reply(404, b"<html>"), Denied),
        (reply(405), Denied),
    ],
)
def test_trouble_says_nothing_of_the_file(answer: Reply, kind: type) -> None:
    assert isinstance(judge_upload(answer), kind)
    assert isinstance(judge_delete(answer), kind)


def test_a_403_names_the_scope() -> None:
    denied = judge_upload(reply(403, {"category": "MISSING_SCOPES"}))
    assert isinstance(denied, Denied)
    assert "the scope files" in denied.reason


def test_what_is_gone_is_gone() -> None:
    assert judge_delete(reply(204)) == Deleted()
    gone = reply(404, {"status": "error", "category": "OBJECT_NOT_FOUND"})
    assert judge_delete(gone) == Deleted(before=True)
    assert files.path("12/3") == "/files/v3/files/12%2F3"


@given(st.binary(max_size=100), st.integers(0, 700), st.booleans(), st.booleans())
def test_no_answer_makes_it_raise(body: bytes, status: int, whole: bool, left: bool) -> None:
    given = Reply(status, NO_HEADERS, body, left, whole)
    judge_upload(given)
    judge_delete(given)

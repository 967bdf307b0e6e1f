"""A folder's kind is told by its name, in any language, case and spelling that programs write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.mail import folders
from bulkload.mail.folders import folder_kind, folder_name


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("INBOX", "inbox"),
        ("Sent", "sent"),
        ("sent-mail", "sent"),
        ("SENT_ITEMS", "sent"),
        ("Sent 2019-03", "sent"),
        ("Sent/2019", "sent"),
        ("INBOX.Sent", "sent"),
        ("[Gmail]/Sent Mail", "sent"),
        ("Inbox.sbd/Sent", "sent"),
        ("Gesendet.mbox", "sent"),
        ("Gesendete Objekte", "sent"),
        ("Éléments envoyés", "sent"),
        ("&AMk-l&AOk-ments envoy&AOk-s", "sent"),
        ("Enviados", "sent"),
        ("Posta inviata", "sent"),
        ("Verzonden items", "sent"),
        ("Skickat", "sent"),
        ("Wysłane", "sent"),
        ("GÖNDERİLENLER", "sent"),
        ("Отправленные", "sent"),
        ("送信済みメール", "sent"),
        ("已发送", "sent"),
        ("보낸편지함", "sent"),
        ("Entwürfe", "drafts"),
        ("Entwu\u0308rfe", "drafts"),
        ("Unsent Messages", "drafts"),
        ("Papierkorb", "trash"),
        ("Trash/Sent", "trash"),
        ("INBOX.Trash.Clients", "trash"),
        ("Courrier indésirable", "spam"),
        ("迷惑メール", "spam"),
        ("Archive/2019", "archive"),
        ("INBOX/Clients/Acme", "inbox"),
        ("Clients/Acme", None),
        ("Presented", None),
        ("All mail Including Spam and Trash", None),
        ("", None),
        ("2019", None),
        ("&broken-", None),
    ],
)
def test_what_kind_of_folder_a_name_stands_for(path: str, kind: str | None) -> None:
    assert folder_kind(path) == kind


def test_no_name_stands_for_two_kinds() -> None:
    kinds: dict[str, set[str]] = {}
    for kind, names in folders._NAMES.items():
        for name in names.split(","):
            assert name.strip()
            kinds.setdefault(folders._letters(name), set()).add(kind)
    assert "" not in kinds
    assert {name for name, several in kinds.items() if len(several) > 1} == set()


@given(st.sampled_from(sorted(folders._KINDS)), st.integers(0, 9999))
def test_case_and_years_are_no_matter(name: str, year: int) -> None:
    kind = folders._KINDS[name]
    for written in (name, name.title(), f" {name} {year}", f"Clients/{name}"):
        assert folder_kind(written) == kind


@given(st.text(max_size=40))
def test_any_path_has_a_kind_or_none(path: str) -> None:
    assert folder_kind(path) in {"inbox", "sent", "drafts", "trash", "spam", "archive", None}


def test_imap_names_are_decoded_and_broken_ones_stay() -> None:
    assert folder_name("Ventes &- march&AOk-s") == "Ventes & marchés"
    assert folder_name("&Jjo-!") == "☺!"
    assert folder_name("Smith & Sons") == "Smith & Sons"
    assert folder_name("&A-b") == "&A-b"

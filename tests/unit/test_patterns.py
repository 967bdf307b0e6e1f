"""Addresses and domains are held as they were given, in any case and alphabet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.errors import RefusedToStart
from bulkload.mail.patterns import Patterns, normal

LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,5}[a-z0-9])?", fullmatch=True)
DOMAINS = st.lists(LABELS, min_size=2, max_size=4).map(".".join)
LOCALS = st.from_regex(r"[a-z][a-z0-9._]{0,8}", fullmatch=True)
ADDRESSES = st.tuples(LOCALS, DOMAINS).map("@".join)
PATTERNS = st.lists(
    st.one_of(ADDRESSES, DOMAINS, DOMAINS.map("*.{}".format), LABELS.map("*@{}".format)), max_size=6
)


def held(given_: str | list[str], address: str) -> bool:
    several = [given_] if isinstance(given_, str) else given_
    return Patterns.parse(several, "--mine").holds(address)


@pytest.mark.parametrize(
    ("pattern", "address", "holds"),
    [
        ("ada@example.com", "Ada@Example.COM", True),
        ("Ada@Example.COM", "ada@example.com", True),
        ("ada@example.com", "ada+news@example.com", True),
        ("ada+news@example.com", "ada@example.com", False),
        ("ada@example.com", "bob@example.com", False),
        ("ada@example.com", "ada@mail.example.com", False),
        ("example.com", "anyone@example.com", True),
        ("*@example.com", "anyone@example.com", True),
        ("example.com", "anyone@mail.example.com", False),
        ("example.com", "anyone@notexample.com", False),
        ("*.example.com", "anyone@example.com", False),
        ("*.example.com", "anyone@a.b.example.com", True),
        ("*@localhost", "root@localhost", True),
        ("müller.de", "ada@xn--mller-kva.de", True),
        ("xn--mller-kva.de", "ada@MÜLLER.de", True),
        ("ada@müller.de", "ada@müller.de", True),
        ("a.example, b.example", "x@b.example", True),
        ("example.com", "example.com", False),
        ("example.com", "", False),
        ("example.com", "@", False),
        ("", "a@example.com", False),
    ],
)
def test_what_a_pattern_holds(pattern: str, address: str, holds: bool) -> None:
    assert held(pattern, address) is holds


@pytest.mark.parametrize(
    "wrong", ["ada", "@example.com", "ada@", "a b@example.com", "example..com", "*", "*.", "*@",
              "a*@example.com", "https://example.com", "a@b@example.com", "-a.com", "a@b c.com"]
)  # fmt: skip
def test_what_is_neither_address_nor_domain_is_refused_by_name(wrong: str) -> None:
    with pytest.raises(RefusedToStart, match=r"^--mine '.*': no address and no domain; write"):
        Patterns.parse(["example.com", wrong], "--mine")


@given(PATTERNS)
def test_what_is_written_is_read_again(patterns: list[str]) -> None:
    parsed = Patterns.parse(patterns, "--mine")
    assert Patterns.from_json(parsed.as_json()) == parsed
    assert Patterns.parse([",".join(reversed(patterns))], "--mine").as_json() == parsed.as_json()
    assert bool(parsed) is bool(patterns)


@given(PATTERNS, ADDRESSES)
def test_more_patterns_hold_more(patterns: list[str], address: str) -> None:
    one_by_one = any(held(pattern, address) for pattern in patterns)
    assert held(patterns, address) is one_by_one
    assert held([*patterns, address], address.upper())


@given(st.text(max_size=30))
def test_any_text_can_be_asked_for(text: str) -> None:
    assert not Patterns.parse(["example.com"], "--mine").holds(text.replace("@", ""))
    assert Patterns.parse(["*@localhost"], "--mine").holds(f"{text}@LocalHost")


@given(ADDRESSES, st.sampled_from("ßüéжя"))
def test_a_domain_has_one_form(address: str, letter: str) -> None:
    local, _, domain = address.partition("@")
    assert normal(f" {local.upper()}@{letter}{domain} ") == normal(f"{local}@{letter}{domain}")
    assert normal(normal(f"{local}@{letter}{domain}")) == normal(f"{local}@{letter}{domain}")

"""What is known of people: bounded in memory, and never asked for twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bulkload.records.people import People


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=200), st.integers(1, 5))
def test_what_was_learnt_is_known_for_ever(steps: list[tuple[int, bool]], generation: int) -> None:
    journal: dict[str, str] = {}
    looks = 0

    def look(address: str) -> str | None:
        nonlocal looks
        looks += 1
        return journal.get(address)

    people = People(look, generation)
    for number, learns in steps:
        address = f"{number}@x.com"
        if learns and address not in journal:
            journal[address] = str(number) if number % 3 else ""
            people.learn({address: journal[address]})
        assert people.contact(address) == journal.get(address)
        assert people.knows(address) == (address in journal)
        assert len(people._young) <= generation
        assert len(people._old) <= generation
    assert people.hits + people.misses == len(steps)


def test_what_was_used_last_is_in_memory() -> None:
    people = People(lambda _: None, 2)
    people.learn({"a": "1"})
    for other in ("b", "c", "d", "e"):
        people.learn({other: "2"})
        assert people.contact("a") == "1", "forgotten, though it is used all the time"


def test_one_without_a_contact_is_known_too() -> None:
    people = People(lambda _: None)
    people.learn({"a": ""})
    assert people.knows("a")
    assert people.contact("a") == ""

"""What is known of people: bounded in memory, and never asked for twice."""

from __future__ import annotations

import threading

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


def test_what_is_learnt_while_another_looks_it_up_is_what_is_known() -> None:
    """The row that the other finds is older than what was learnt."""

    def look(address: str) -> str | None:
        people.learn({address: ""})
        return "123"

    people = People(look)
    assert people.contact("a") == ""
    assert people.contact("a") == ""


def test_what_was_learnt_and_forgotten_meanwhile_is_looked_up_again() -> None:
    journal = {"a": "123"}

    def look(address: str) -> str | None:
        found = journal.get(address)
        if found == "123":
            journal[address] = ""
            people.learn({address: ""})
            people.learn(dict.fromkeys("bcde", "1"))
        return found

    people = People(look, 2)
    assert people.contact("a") == ""
    assert people.contact("a") == ""


def test_an_old_one_that_is_used_does_not_come_back_over_what_is_learnt() -> None:
    """Between the look among the old and the put among the young nobody can learn."""
    people = People(lambda _: None, 2)
    people.learn({"a": "123", "b": "1", "c": "1"})
    assert "a" in people._old
    learns = threading.Thread(target=people.learn, args=({"a": ""},))
    with people._lock:
        learns.start()
        known = people._remembered("a")
    learns.join()
    assert (known, people.contact("a")) == ("123", "")

"""A key that is taken: how the remote says so, and what is no such thing.

The words are not established, so any that say so count, and what names another property is
about that one.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkload.batch import Batch, Entry
from bulkload.hubspot import refusals, replies, wire
from bulkload.hubspot.refusals import Refusal, holders, is_conflict, names_key
from bulkload.hubspot.wire import Outcomes, Refused, judge
from tests.making import entry, fault, made, reply

if TYPE_CHECKING:
    from collections.abc import Iterable

PROPERTY = "bulkload_key"


def key(number: int) -> str:
    return sha256(b"%d" % number).hexdigest()


KEY = key(0)


def invalid(*flaws: tuple[str, str, str]) -> str:
    """HubSpot's sentence with (property, error, message) of each flaw."""
    listed = [{"isValid": False, "name": n, "error": e, "message": m} for n, e, m in flaws]
    return f"Property values were not valid: {orjson.dumps(listed).decode()}"


def coordinates(name: str = PROPERTY, value: str = KEY, holder: str = "512") -> str:
    return (
        "Cannot set PropertyValueCoordinates{portalId=1, objectTypeId=ObjectTypeId{"
        f"legacyObjectType=EMAIL}}, objectId=900, propertyName={name}, value={value}}} on object "
        f"900. {holder} already has that value."
    )


def refusal(message: str, category: str = "VALIDATION_ERROR") -> Refusal:
    return refusals.read({"message": message, "category": category}, 400)


TAKEN = {
    "as the sandbox says it": invalid((PROPERTY, "CONFLICTING_UNIQUE_VALUE", coordinates())),
    "without the list": coordinates(),
    "without the value": coordinates(value="[redacted]"),
    "in the fewest words": "512 already has that value.",
    "an id that exists": "Email already exists. Existing ID: 512",
    "unique value": "A record with this unique value exists",
    "a duplicate": "Duplicate value for a property that must be unique",
    "duplicated": f"Found duplicated inputs for unique property {PROPERTY}",
    "in use": f"The value of {PROPERTY} is already in use by object 512",
    "used": "This value has already been used by another object",
    "taken": "that value is already taken",
    "we already have it": "We already have an object with that value",
    "shouted": "512 ALREADY HAS THAT VALUE.",
}
OTHERWISE = {
    "a property that is gone": invalid(
        (PROPERTY, "PROPERTY_DOESNT_EXIST", f'Property "{PROPERTY}" does not exist')
    ),
    "a property that is gone, in words": f'Property "{PROPERTY}" does not exist',
    "too long a value": invalid((PROPERTY, "INVALID_LENGTH", "value is too long")),
    "an option": invalid(("dir", "INVALID_OPTION", "LEFT was not one of [UP, DOWN]")),
    "a property that is missing": "Error creating EMAIL. Some required properties were not set.",
    "no JSON": "Invalid input JSON on line 1, column 245: Cannot deserialize",
    "another property's": invalid(
        ("my_ref", "CONFLICTING_UNIQUE_VALUE", coordinates("my_ref", "A-7"))
    ),
    "another property's, without the list": coordinates("my_ref", "A-7"),
    "nothing": "the remote refused it without saying why",
}


@pytest.mark.parametrize("message", TAKEN.values(), ids=TAKEN)
@pytest.mark.parametrize("category", ["VALIDATION_ERROR", "CONFLICT", "OBJECT_ALREADY_EXISTS"])
def test_whatever_says_that_a_value_is_taken_is_a_conflict(message: str, category: str) -> None:
    assert is_conflict(refusal(message, category), PROPERTY)
    assert names_key(refusal(message, category), KEY, PROPERTY)


@pytest.mark.parametrize("message", OTHERWISE.values(), ids=OTHERWISE)
def test_another_complaint_is_none(message: str) -> None:
    assert not is_conflict(refusal(message), PROPERTY)
    assert not names_key(refusal(message), KEY, PROPERTY)


def test_a_category_says_it_without_words() -> None:
    assert is_conflict(refusal("", "CONFLICT"), PROPERTY)
    assert is_conflict(refusal("409", "CONFLICT"), PROPERTY)
    assert not is_conflict(refusal(coordinates("my_ref", "A-7"), "CONFLICT"), PROPERTY)


def test_of_several_properties_that_are_taken_ours_counts() -> None:
    both = invalid(
        ("my_ref", "CONFLICTING_UNIQUE_VALUE", coordinates("my_ref", "A-7")),
        (PROPERTY, "CONFLICTING_UNIQUE_VALUE", coordinates()),
    )
    assert is_conflict(refusal(both), PROPERTY)


def test_without_a_key_there_is_nothing_to_be_taken() -> None:
    said = refusal(TAKEN["in the fewest words"])
    assert not names_key(said, "", PROPERTY)
    assert not names_key(said, KEY, "")


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ("1", "Invalid input JSON on line 1, column 245: Cannot deserialize"),
        ("7", invalid(("dir", "INVALID_OPTION", "LEFT was not one of [A7, B7]"))),
        (KEY, invalid(("dir", "INVALID_OPTION", f"{KEY} was not one of [UP, DOWN]"))),
        (KEY, invalid((PROPERTY, "INVALID_LENGTH", f"{KEY} is too long"))),
    ],
    ids=["a line's number", "a part of an option", "another property's", "its own, for length"],
)
def test_a_key_that_is_quoted_for_another_reason_is_not_taken(own: str, message: str) -> None:
    assert not names_key(refusal(message), own, PROPERTY)


@pytest.mark.parametrize(
    ("message", "first"),
    [
        (coordinates(holder="512"), "512"),
        (invalid((PROPERTY, "CONFLICTING_UNIQUE_VALUE", coordinates(holder="77"))), "77"),
        ("512 already has that value.", "512"),
        ("Contact already exists. Existing ID: 512", "512"),
        ("id: 512 has it", "512"),
        ("IDs [512] have it", "512"),
        ("the value belongs to 5123456", "5123456"),
    ],
)
def test_the_likeliest_holder_comes_first(message: str, first: str) -> None:
    assert holders(message)[0] == first


@pytest.mark.parametrize("message", ["", "nobody", f"value={KEY}", "line 1, column 24"])
def test_where_no_id_is_named_there_is_none(message: str) -> None:
    assert holders(message) == []


@given(st.text() | st.lists(st.integers(0, 10**20)).map(str))
def test_no_message_names_too_many_holders_or_one_twice(message: str) -> None:
    found = holders(message)
    assert len(found) <= 10
    assert len(found) == len(set(found))
    assert all(each.isdigit() for each in found)


@given(st.text(), st.text(), st.text(min_size=1))
def test_no_message_is_too_odd_to_judge(message: str, category: str, own: str) -> None:
    read = refusal(message, category)
    assert isinstance(is_conflict(read, PROPERTY), bool)
    assert isinstance(names_key(read, own, PROPERTY), bool)


def keyed(number: int, own: str = "") -> Entry:
    own = own or key(number)
    return entry(number, {PROPERTY: own, "subject": f"s{number}"})._replace(key=own)


def batch(numbers: Iterable[int]) -> Batch:
    return Batch(tuple(keyed(n) for n in numbers))


THREE = batch(range(3))


def conflict(number: int, **more: Any) -> dict[str, Any]:
    return fault(number, message=coordinates(value=key(number)), **more)


def outcomes(found: wire.Verdict) -> Outcomes:
    assert isinstance(found, Outcomes)
    return found


def refused(found: wire.Verdict) -> Refused:
    assert isinstance(found, Refused)
    return found


def test_in_a_partial_answer_a_conflict_is_a_question_and_a_flaw_is_a_refusal() -> None:
    body = made(1, errors=[conflict(0), fault(2, message="no")])
    found = outcomes(judge(THREE, reply(207, body), PROPERTY))
    assert [o for o, _ in found.conflicts] == [0]
    assert [o for o, _ in found.rejected] == [2]
    assert found.loaded == ((1, "101"),)
    assert found.silent == ()


def test_without_a_key_property_a_conflict_is_a_refusal_like_another() -> None:
    found = outcomes(judge(THREE, reply(207, made(1, 2, errors=[conflict(0)]))))
    assert found.conflicts == ()
    assert [o for o, _ in found.rejected] == [0]


def test_one_error_may_say_that_several_keys_are_taken() -> None:
    body = made(1, errors=[fault(0, 2, message="A record with this unique value exists")])
    found = outcomes(judge(THREE, reply(207, body), PROPERTY))
    assert [o for o, _ in found.conflicts] == [0, 2]


def test_a_result_beats_a_conflict_for_the_same_input() -> None:
    found = outcomes(judge(THREE, reply(207, made(0, 1, 2, errors=[conflict(1)])), PROPERTY))
    assert [o for o, _ in found.loaded] == [0, 1, 2]
    assert found.conflicts == ()


def test_a_conflict_without_a_label_is_told_by_the_key_that_it_quotes() -> None:
    unlabelled = {"category": "CONFLICT", "message": invalid(
        (PROPERTY, "CONFLICTING_UNIQUE_VALUE", coordinates(value=key(2))))}  # fmt: skip
    found = outcomes(judge(THREE, reply(207, made(0, 1, errors=[unlabelled])), PROPERTY))
    assert [o for o, _ in found.conflicts] == [2]


def test_what_a_pending_remote_calls_taken_may_be_its_own_making() -> None:
    body = made(0, status="PENDING", errors=[conflict(1)])
    found = outcomes(judge(THREE, reply(207, body), PROPERTY))
    assert found.conflicts == ()
    assert found.silent == (1, 2)


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_refusal_of_the_whole_batch_that_quotes_a_key_names_its_record(status: int) -> None:
    body = {"category": "VALIDATION_ERROR", "message": coordinates(value=key(1))}
    found = refused(judge(THREE, reply(status, body), PROPERTY))
    assert [o for o, _ in found.conflicts] == [1]
    assert not found.taken
    assert found.blamed == ()


def test_it_may_quote_more_than_one() -> None:
    message = invalid(
        *((PROPERTY, "CONFLICTING_UNIQUE_VALUE", coordinates(value=key(n))) for n in (0, 2))
    )
    body = {"category": "VALIDATION_ERROR", "message": message}
    found = refused(judge(THREE, reply(400, body), PROPERTY))
    assert [o for o, _ in found.conflicts] == [0, 2]


@pytest.mark.parametrize("message", ["A record with this unique value exists", ""])
def test_where_it_quotes_none_somebodys_key_is_taken(message: str) -> None:
    body = {"category": "CONFLICT", "message": message}
    found = refused(judge(THREE, reply(409, body), PROPERTY))
    assert found.taken
    assert (found.conflicts, found.blamed, found.suspects) == ((), (), frozenset())


@pytest.mark.parametrize("message", [coordinates(value="x"), "512 already has that value."])
def test_alone_it_can_only_be_the_one(message: str) -> None:
    found = refused(judge(batch([7]), reply(400, {"message": message}), PROPERTY))
    assert [o for o, _ in found.conflicts] == [7]
    assert not found.taken


@pytest.mark.parametrize("numbers", [[7], [0, 1, 2]])
def test_another_propertys_conflict_is_the_users_own(numbers: list[int]) -> None:
    message = invalid(("subject", "CONFLICTING_UNIQUE_VALUE", coordinates("subject", "s7")))
    body = {"category": "VALIDATION_ERROR", "message": message}
    found = refused(judge(batch(numbers), reply(400, body), PROPERTY))
    assert found.conflicts == ()
    assert not found.taken


def test_a_key_property_that_is_gone_is_no_conflict() -> None:
    body = {"category": "VALIDATION_ERROR", "message": OTHERWISE["a property that is gone"]}
    found = refused(judge(THREE, reply(400, body), PROPERTY))
    assert found.conflicts == ()
    assert not found.taken


def test_a_409_that_is_no_error_body_may_have_made_them() -> None:
    assert isinstance(judge(THREE, reply(409, b"<html>"), PROPERTY), replies.Doubtful)


def test_a_short_key_is_not_taken_because_the_refusal_of_another_has_its_digit() -> None:
    sent = Batch(tuple(keyed(n, str(n)) for n in range(1, 4)))
    body = {"message": "Invalid input JSON on line 1, column 99: no"}
    assert refused(judge(sent, reply(400, body), PROPERTY)).conflicts == ()


FATES = st.lists(st.sampled_from(["made", "taken", "bad", "silent"]), min_size=1, max_size=20)


@given(FATES, st.randoms())
def test_any_mixture_is_told_apart_record_by_record(fates: list[str], random: Any) -> None:
    sent = batch(range(len(fates)))
    by_fate = {
        fate: {n for n, each in enumerate(fates) if each == fate}
        for fate in ("made", "taken", "bad", "silent")
    }
    results = made(*by_fate["made"])["results"]
    errors = [
        *(conflict(n) for n in by_fate["taken"]),
        *(fault(n, message="no") for n in by_fate["bad"]),
    ]
    random.shuffle(results)
    random.shuffle(errors)
    body = {"status": "COMPLETE", "results": results, "errors": errors}
    found = outcomes(judge(sent, reply(207, body), PROPERTY))
    assert {o for o, _ in found.loaded} == by_fate["made"]
    assert {o for o, _ in found.conflicts} == by_fate["taken"]
    assert {o for o, _ in found.rejected} == by_fate["bad"]
    assert set(found.silent) == by_fate["silent"]


@given(
    st.sets(st.integers(0, 9)), st.sampled_from([400, 409, 422]), st.sampled_from([*TAKEN.values()])
)
def test_a_refusal_of_the_whole_batch_names_those_it_quotes_and_nobody_else(
    quoted: set[int], status: int, words: str
) -> None:
    sent = batch(range(1, 11))
    message = " ".join([words, *(key(n + 1) for n in sorted(quoted))])
    body = {"category": "CONFLICT", "message": message}
    found = refused(judge(sent, reply(status, body), PROPERTY))
    assert {o for o, _ in found.conflicts} == {n + 1 for n in quoted}
    assert found.taken is not bool(quoted)
    assert found.blamed == ()

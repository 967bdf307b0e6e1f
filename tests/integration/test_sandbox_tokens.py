"""Tokens over real sockets: refreshed, rotated, ended, and what they say of themselves."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.test_sandbox_server import Client, run

OWNERS = "/crm/v3/owners"
FORM = {
    "grant_type": "refresh_token",
    "client_id": "id",
    "client_secret": "secret",
    "refresh_token": "sandbox-refresh",
}


async def refresh(client: Client, **changes: str) -> tuple[int, Any]:
    """As a token endpoint is asked: a form, without Authorization."""
    form = {name: value for name, value in {**FORM, **changes}.items() if value}
    async with client.http.post("/oauth/v1/token", data=form) as response:
        return response.status, await response.json()


async def owners(client: Client, token: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"}
    status, body, _ = await client.call("GET", OWNERS, headers=headers)
    return status, body.get("category", "")


async def private(client: Client, body: Any) -> tuple[int, Any]:
    path = "/oauth/v2/private-apps/get/access-token-info"
    status, shown, _ = await client.call("POST", path, body, headers={"Authorization": ""})
    return status, shown


async def of_oauth(client: Client, token: str) -> tuple[int, Any]:
    path = f"/oauth/v1/access-tokens/{token}"
    status, shown, _ = await client.call("GET", path, headers={"Authorization": ""})
    return status, shown


@pytest.mark.parametrize(
    ("changes", "status", "oauth"),
    [
        ({"grant_type": "password"}, "BAD_GRANT_TYPE", "unsupported_grant_type"),
        ({"client_id": ""}, "BAD_CLIENT_ID", "invalid_client"),
        ({"client_id": "other"}, "BAD_CLIENT_ID", "invalid_client"),
        ({"client_secret": "other"}, "BAD_CLIENT_SECRET", "invalid_client"),
        ({"refresh_token": "other"}, "BAD_REFRESH_TOKEN", "invalid_grant"),
        ({"refresh_token": ""}, "BAD_REFRESH_TOKEN", "invalid_grant"),
    ],
)
def test_a_refresh_that_is_wrong_says_what_of_it(
    changes: dict[str, str], status: str, oauth: str
) -> None:
    async def test(client: Client) -> None:
        code, body = await refresh(client, **changes)
        assert (code, body["status"], body["error"]) == (400, status, oauth)
        assert body["correlationId"]
        assert "other" not in body["message"]
        assert (await client.books())["refreshes"] == 0
        assert (await refresh(client))[0] == 200

    run(test, token_life=30.0, client_id="id", client_secret="secret")


def test_a_refresh_is_a_form_and_no_json() -> None:
    async def test(client: Client) -> None:
        assert (await client.post("/oauth/v1/token", FORM))[0] == 400
        assert (await client.books())["refreshes"] == 0

    run(test, token_life=30.0)


def test_a_refresh_token_that_is_not_rotated_works_again_and_again() -> None:
    async def test(client: Client) -> None:
        answers = [(await refresh(client))[1] for _ in range(3)]
        assert {one["refresh_token"] for one in answers} == {"sandbox-refresh"}
        assert len({one["access_token"] for one in answers}) == 3
        assert [await owners(client, one["access_token"]) for one in answers] == [(200, "")] * 3
        books = await client.books()
        assert (books["refreshes"], books["unauthorized"]) == (3, 0)

    run(test, token_life=30.0)


def test_a_rotated_refresh_token_is_dead_at_once() -> None:
    async def test(client: Client) -> None:
        _, first = await refresh(client)
        assert first["refresh_token"] != "sandbox-refresh"
        code, body = await refresh(client)
        assert (code, body["status"]) == (400, "BAD_REFRESH_TOKEN")
        _, second = await refresh(client, refresh_token=first["refresh_token"])
        assert second["refresh_token"] != first["refresh_token"]
        assert (await owners(client, first["access_token"]))[0] == 200  # it lives on to its end
        assert (await client.books())["refreshes"] == 2

    run(test, token_life=30.0, rotate_refresh_tokens=True)


def test_refreshes_take_no_room_under_any_limit_and_401s_are_counted() -> None:
    async def test(client: Client) -> None:
        now = client.sandbox.portal.clock()
        client.sandbox.portal.clock = lambda: now
        tokens = [(await refresh(client))[1]["access_token"] for _ in range(4)]
        assert (await owners(client, tokens[0]))[0] == 200
        assert (await owners(client, tokens[1]))[0] == 429
        now += 31
        for token in (*tokens, "t"):
            expected = (200, "") if token == "t" else (401, "EXPIRED_AUTHENTICATION")
            assert await owners(client, token) == expected
        assert (await client.books())["unauthorized"] == 4

    run(test, token_life=30.0, rate_limit=(1, 10.0))


def test_a_token_that_was_seen_can_be_ended_and_another_one_takes_its_place() -> None:
    async def test(client: Client) -> None:
        assert (await owners(client, "old"))[0] == 200
        await client.post("/_sandbox/expire", {})
        assert await owners(client, "old") == (401, "EXPIRED_AUTHENTICATION")
        assert (await owners(client, "new"))[0] == 200
        assert (await private(client, {"tokenKey": "old"}))[0] == 404
        assert (await private(client, {"tokenKey": "new"}))[0] == 200

    run(test)


def test_a_private_apps_token_says_whose_it_is() -> None:
    async def test(client: Client) -> None:
        status, body = await private(client, {"tokenKey": "pat-1"})
        assert (status, set(body)) == (200, {"userId", "hubId", "appId", "scopes"})
        assert body["hubId"] == 77
        assert "crm.objects.contacts.write" in body["scopes"]
        assert (await private(client, {"tokenKey": "pat-2"}))[0] == 404
        wrong: Any
        for wrong in ({}, {"tokenKey": 1}, {"tokenKey": ""}, []):
            assert (await private(client, wrong))[0] == 400
        assert (await of_oauth(client, "pat-1"))[0] == 404
        assert (await owners(client, "pat-1"))[0] == 200  # nothing was used up
        assert (await owners(client, "pat-1"))[0] == 429

    run(test, token="pat-1", portal_id=77, rate_limit=(1, 10.0))


def test_an_oauth_token_says_whose_it_is_and_how_long_it_lives() -> None:
    async def test(client: Client) -> None:
        now = client.sandbox.portal.clock()
        client.sandbox.portal.clock = lambda: now
        token = (await refresh(client))[1]["access_token"]
        now += 10.5
        status, body = await of_oauth(client, token)
        assert status == 200
        assert (body["token"], body["token_type"]) == (token, "access")
        assert (body["hub_id"], body["expires_in"]) == (77, 19)
        assert len(body["scopes"]) == len(body["scope_to_scope_group_pks"])
        assert {"user", "user_id", "app_id", "hub_domain"} <= set(body)
        assert (await private(client, {"tokenKey": token}))[0] == 404
        assert (await of_oauth(client, "unknown"))[0] == 404
        now += 20
        assert (await of_oauth(client, token))[0] == 404

    run(test, token="first", token_life=30.0, portal_id=77)


def test_a_scope_that_is_missing_is_missing_in_what_the_token_says() -> None:
    async def test(client: Client) -> None:
        _, body = await private(client, {"tokenKey": "t"})
        assert "crm.objects.contacts.read" in body["scopes"]
        assert not any(scope.endswith(".write") for scope in body["scopes"])

    run(test, missing_scope=True)

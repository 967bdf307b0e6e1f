"""Which credentials a call uses: a token, a file that holds one, or OAuth. Never from a flag.

Law kept here: what is of no use is refused before anything is sent, with what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkload.errors import RefusedToStart
from bulkload.hubspot.auth import TokenFile, token_in_environment
from bulkload.hubspot.oauth import OAuth

if TYPE_CHECKING:
    from pathlib import Path

    from bulkload.hubspot.auth import Clock, Credentials, Token
    from bulkload.hubspot.oauth import PostForm


def read_credentials(
    post_form: PostForm,
    *,
    token: Token | None = None,
    token_file: Path | None = None,
    oauth_file: Path | None = None,
    clock: Clock | None = None,
) -> Credentials:
    """`token`, `token_file` or `oauth_file`: what was given; else HUBSPOT_ACCESS_TOKEN.

    Raises RefusedToStart where more than one is given, or none, or it can't be used.
    """
    if token_file is not None and oauth_file is not None:
        raise RefusedToStart("give --token-file or --oauth-file, not both")
    if token and (token_file is not None or oauth_file is not None):
        raise RefusedToStart("give a token or a file that holds one, not both")
    if oauth_file is not None:
        return OAuth(oauth_file, post_form, clock)
    if token_file is not None:
        return TokenFile(token_file, clock)
    given = token or token_in_environment()
    if given is None:
        raise RefusedToStart(
            "no token: put the private app's access token into HUBSPOT_ACCESS_TOKEN, or into a "
            "file named by --token-file; or name a file with OAuth client and refresh token by "
            "--oauth-file. To try without an account: bulkload demo"
        )
    return given

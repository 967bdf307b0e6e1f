"""The third-party messages: each ends as an outcome, none as an exception, none vanishes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.harness import Cli, Sandbox, letters

CORPUS = Path(
    os.environ.get("BULKLOAD_MAIL_CORPUS", Path(__file__).parents[3] / "shared" / "mail-corpus")
)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the mail corpus is not beside this checkout")
def test_every_message_of_the_corpus_ends_in_one_outcome(
    cli: Cli, sandbox: Callable[..., Sandbox], tmp_path: Path
) -> None:
    remote = sandbox("--rate-limit", "none")
    folders = [CORPUS / "stalwart", CORPUS / "cpython"]
    files = sum(len(list(folder.iterdir())) for folder in folders)
    ended = cli(
        "load", *folders, "--format", "eml", "--run", "run", "--base-url", remote.url, "--json",
        "--max-dead-letters", "100%",
    )  # fmt: skip
    summary = ended.summary()
    assert ended.code in (0, 1)
    assert summary["read"] == files >= 154
    assert summary["loaded"] == remote.books()["emails"]
    assert len(letters(tmp_path / "run")) == summary["dead_lettered"]

"""`bulkload sandbox`: its options become a config, and a mistake is said in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from bulkload.cli.sandbox import command
from bulkload.sandbox import server
from bulkload.sandbox.config import SandboxConfig

if TYPE_CHECKING:
    from pathlib import Path


def config_of(monkeypatch: pytest.MonkeyPatch, *flags: str) -> SandboxConfig:
    seen: list[SandboxConfig] = []
    monkeypatch.setattr(server, "serve", lambda config, *_: seen.append(config))
    answer = CliRunner().invoke(command, flags, catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return seen[0]


def test_without_options_it_is_the_config_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_of(monkeypatch) == SandboxConfig(faults={})


def test_people_and_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    people = tmp_path / "people.txt"
    people.write_text("ann@firm.com;ann@home.com\n")
    flags = (
        f"--contacts={people} --primary-only --refuse-addresses=^x --companies=0 --deals=1 "
        "--tickets=2 --owners=3 --archived-owners=4 --check-owners --max-file=5 --refuse-files=zip "
        "--check-attachments --without-scope=files --without-scope=crm.objects.owners.read "
        "--fault=contacts:late=5% --fault=files:503=0.1"
    )
    assert config_of(monkeypatch, *flags.split()) == SandboxConfig(
        contacts=("ann@firm.com;ann@home.com",),
        primary_only=True,
        refuse_addresses="^x",
        companies=0,
        deals=1,
        tickets=2,
        owners=3,
        archived_owners=4,
        check_owners=True,
        max_file=5,
        refuse_files="zip",
        check_attachments=True,
        without_scopes=("files", "crm.objects.owners.read"),
        faults={"contacts:late": 0.05, "files:503": 0.1},
    )


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--contacts=absent.csv", "neither a number nor a file"),
        ("--refuse-addresses=[", "--refuse-addresses"),
        ("--refuse-files=(", "--refuse-files"),
        ("--poison=(", "--poison"),
        ("--fault=letters:503=1", "no such fault: letters:503"),
        ("--fault=503=1% --fault=503=2%", "--fault: 503 is given twice"),
        ("--poison-as=500", "--poison-as"),
        ("--time-zone=Mars/Base", "--time-zone"),
        ("--time-zone=Europe", "--time-zone"),
        ("--without-scope=crm.everything", "--without-scope"),
        ("--portal-id=-1", "--portal-id"),
        ("--rate-limit=1/99999999999s", "--rate-limit"),
        ("--outage=0+99999999999:503", "--outage"),
        ("--contacts=99999999999", "--contacts"),
        *(
            (f"--{flag}={value}", f"--{flag}")
            for flag in (
                "clock-skew",
                "daily-reset",
                "jitter",
                "late-after",
                "latency",
                "others",
                "read-lag",
                "search-lag",
                "slow-by",
                "token-life",
            )
            for value in ("nan", "inf", "1e20")
        ),
        (f"--daily-limit={'9' * 5000}", "--daily-limit"),
    ],
)
def test_a_mistake_is_named(flag: str, said: str) -> None:
    answer = CliRunner().invoke(command, flag.split())
    assert answer.exit_code == 2
    assert said in answer.output

"""The documentation can't rot: commands, options, links and CI are compared with the code."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest

from bulkload.cli import COMMANDS, cli
from bulkload.sources.formats import KNOWN, markdown, missing

ROOT = Path(__file__).resolve().parents[2]
COMMANDS_MD = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")))
MODULES = sorted((ROOT / "bulkload").rglob("*.py"))
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")


def _anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _sections(text: str) -> dict[str, str]:
    """Anchor → the text below that heading, up to the next one. Code blocks are no headings."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if not fenced and (heading := re.match(r"#+ (.+)", line)):
            lines = found.setdefault(_anchor(heading[1]), [])
        else:
            lines.append(line)
    return {anchor: "\n".join(of) for anchor, of in found.items()}


def _long_flags(command: click.Command) -> set[str]:
    return {
        name
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    }


def _command(name: str) -> click.Command:
    command = import_module(f"bulkload.cli.{name}").command
    assert isinstance(command, click.Command)
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_documented_with_exactly_its_options(name: str) -> None:
    sections = _sections(COMMANDS_MD)
    text = sections[f"bulkload-{name}"]
    for linked in re.findall(r"\(#([\w-]+)\)", text):
        text += sections[linked]
    rows = {
        flag
        for line in text.splitlines()
        if line.startswith("| `-")
        for flag in FLAG.findall(line.split("|")[1])
    }
    assert rows == _long_flags(_command(name))


def test_each_flag_that_is_mentioned_exists() -> None:
    known = {"--help", *_long_flags(cli)}
    for name in COMMANDS:
        known |= _long_flags(_command(name))
    assert set(FLAG.findall(COMMANDS_MD)) <= known
    ours = [line for line in README.splitlines() if "pip install" not in line]
    assert set(FLAG.findall("\n".join(ours))) <= known


def test_each_command_in_the_readme_exists() -> None:
    shown = re.findall(r"(?:^|[`/] ?|\$ )bulkload ([a-z]+)", README, flags=re.MULTILINE)
    assert set(shown) <= set(COMMANDS)
    assert {"demo", "load", "resume", "replay"} <= set(shown)


def test_the_documented_defaults_are_the_codes() -> None:
    from bulkload.options import Options

    options = Options()
    section = COMMANDS_MD.split("\n## Options of a run\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `--([\w-]+)`[^|]*\| `?([^|`]*?)`? \|", section, re.MULTILINE))
    for name in ("base_url", "batch_size", "max_batch_bytes", "max_record_bytes", "max_in_flight"):
        assert rows[name.replace("_", "-")] == str(getattr(options, name))
    for name in ("max_attempts", "max_dead_letters", "in_doubt"):
        assert rows[name.replace("_", "-")] == str(getattr(options, name))
    for name in ("timeout", "max_outage"):
        assert float(rows[name.replace("_", "-")]) == getattr(options, name)
    for name in ("rate_limit", "rate_share"):
        assert rows[name.replace("_", "-")] == getattr(options, name)


def test_ci_runs_the_readmes_test_command_word_for_word() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [line.rsplit(" && ", 1)[1] for line in commands] == [
        ".venv/bin/bulkload demo",
        ".venv/bin/pytest",
    ]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert [line.strip() for line in script.splitlines() if "-m venv" in line] == commands[1:]
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert commands[1] in contributing.splitlines()


def test_the_workflow_calls_the_same_script() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"- run: (.+)", workflow) == [".ci/run"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_link_resolves(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in _sections(linked.read_text(encoding="utf-8")), target


def test_architecture_names_what_exists() -> None:
    """Each room and each test file that the page names is there, and no room is left out."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for named in re.findall(r"`((?:tests|benchmarks|bulkload)/[\w/.*-]+)`", text):
        assert list(ROOT.glob(named.rstrip("/"))), named
    rooms = {path.name for path in (ROOT / "bulkload").iterdir() if path.suffix == ".py"}
    rooms |= {f"{path.parent.name}/" for path in (ROOT / "bulkload").glob("*/__init__.py")}
    table = _sections(text)["rooms"]
    assert {room for room in rooms if f"`{room}`" not in table} <= {"__init__.py", "__main__.py"}
    for room in re.findall(r"^\| `(\w+)/` \| \|$", text, re.MULTILINE):
        modules = {path.stem for path in (ROOT / "bulkload" / room).glob("*.py")} - {"__init__"}
        assert modules == set(re.findall(r"^\| `(\w+)` \|", _sections(text)[room], re.MULTILINE))


def test_the_decisions_are_numbered_without_a_gap() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def _promises() -> list[tuple[str, str]]:
    """(sentence, the test that it names) of each promise."""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    promised = [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]
    return [
        (sentence, test.rstrip("`"))
        for sentence, _, test in (line.rpartition(" `") for line in promised)
    ]


@pytest.mark.parametrize(("sentence", "test"), _promises())
def test_each_promise_names_a_test_that_is_there(sentence: str, test: str) -> None:
    assert sentence.endswith(".")
    path, _, name = test.partition("::")
    source = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"^def {name or 'test_'}", source, re.MULTILINE), test


def test_there_are_promises_for_each_way() -> None:
    assert len(_promises()) > 20


def test_the_nightly_script_stands_in_the_documentation_as_it_is() -> None:
    script = (ROOT / "examples" / "nightly.sh").read_text()
    assert f"```sh\n{script}```" in (ROOT / "docs" / "backfill.md").read_text()


def test_the_table_of_sources_is_made_from_what_the_command_lists() -> None:
    assert markdown() in (ROOT / "docs" / "sources.md").read_text()


def test_each_extra_that_a_source_needs_is_one_and_its_package_is_looked_for() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    needed = {each.extra for each in KNOWN if each.extra}
    assert needed == {*extras} - {"all", "fast"}
    assert not any(map(missing, needed)), "the tests run with all of them"
    (everything,) = extras["all"]
    assert {*everything.removeprefix("bulkload[").removesuffix("]").split(",")} == needed | {"fast"}

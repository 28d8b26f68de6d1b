"""The locks hold what pyproject.toml asks for and what that brings in, and nothing else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
# Which of pyproject's lists each lock was made from, as its comments name them.
LOCKS = {
    "requirements.lock": ("pyproject.toml", "pyproject.toml:build"),
    "requirements-test.lock": ("pyproject.toml:test",),
    ".github/audit.lock": ("pyproject.toml:audit",),
    "requirements-contracts.lock": ("pyproject.toml:contracts",),
}
_RENEW = "make the locks anew: .github/CONTRIBUTING.md, Changing a dependency"


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a lock; `via` is what brings it in, as the lock's comments say."""

    version: str
    hashes: int
    via: frozenset[str]


@cache
def pins(lock: str) -> dict[str, Pin]:
    """The packages of a lock in the form `uv pip compile --generate-hashes` writes."""
    text = (ROOT / lock).read_text("utf-8")
    found = {}
    for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE):
        if not entry.strip():
            continue
        match = re.match(r"([a-z0-9-]+)==([^\s;]+)", entry)
        assert match is not None, f"{lock}: {entry.splitlines()[0]}"
        comments = re.findall(r"^    #(?: via)? +(\S.*)$", entry, flags=re.MULTILINE)
        via = frozenset(comment for comment in comments if comment != "via")
        found[match[1]] = Pin(match[2], entry.count("--hash=sha256:"), via)
    return found


def asked(source: str) -> dict[str, Requirement]:
    """The requirements of one of pyproject's lists, by canonical name."""
    _, _, group = source.partition(":")
    lines = PROJECT["dependency-groups"][group] if group else PROJECT["project"]["dependencies"]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def direct() -> Iterator[tuple[str, str, Requirement]]:
    for lock, sources in LOCKS.items():
        for source in sources:
            for name, requirement in asked(source).items():
                yield lock, name, requirement


def test_every_list_of_requirements_has_a_lock() -> None:
    extras = PROJECT["project"].get("optional-dependencies", {})
    assert not extras, "name the lock of each extra in LOCKS"
    named = {source for sources in LOCKS.values() for source in sources}
    assert named == {"pyproject.toml", *(f"pyproject.toml:{g}" for g in PROJECT["dependency-groups"])}


@pytest.mark.parametrize(
    ("lock", "name", "requirement"), [pytest.param(*d, id=f"{d[0]}-{d[1]}") for d in direct()]
)
def test_each_requirement_is_locked_at_a_version_that_satisfies_it(
    lock: str, name: str, requirement: Requirement
) -> None:
    pinned = pins(lock).get(name)
    assert pinned is not None, f"{lock} lacks {name}; {_RENEW}"
    assert requirement.specifier.contains(pinned.version, prereleases=True), f"{lock}: {name}; {_RENEW}"


@pytest.mark.parametrize("lock", LOCKS)
def test_nothing_is_locked_that_no_requirement_brings_in(lock: str) -> None:
    locked = pins(lock)
    roots = {f"afterword ({source})": asked(source) for source in LOCKS[lock]}
    wanted: set[str] = set()
    new = {name for name, pin in locked.items() if any(name in roots.get(via, ()) for via in pin.via)}
    while new:
        wanted |= new
        new = {name for name, pin in locked.items() if pin.via & wanted} - wanted
    assert set(locked) - wanted == set(), _RENEW


@pytest.mark.parametrize("lock", LOCKS)
def test_every_file_is_pinned_by_its_hash_and_from_no_named_address(lock: str) -> None:
    assert [name for name, pin in pins(lock).items() if not pin.hashes] == []
    assert "://" not in (ROOT / lock).read_text("utf-8")


@pytest.mark.parametrize(("one", "other"), list(combinations(LOCKS, 2)))
def test_what_two_locks_share_has_one_version(one: str, other: str) -> None:
    here, there = pins(one), pins(other)
    assert [n for n in here.keys() & there.keys() if here[n].version != there[n].version] == []

"""Moments noted under a name: where a pass over Recall's list may begin next time."""

from __future__ import annotations

from tests.contract.conftest import AnyStore, Place


def test_a_mark_that_was_never_set_is_none(store: AnyStore) -> None:
    assert store.mark("reconcile:default") is None


def test_a_mark_is_read_back_exactly_by_every_handle(place: Place) -> None:
    place.open().set_mark("reconcile:default", 1_795_000_000.125)
    assert place.open().mark("reconcile:default") == 1_795_000_000.125


def test_the_latest_mark_counts_even_when_it_is_earlier(store: AnyStore) -> None:
    store.set_mark("reconcile:default", 2000.0)
    store.set_mark("reconcile:default", 1000.0)
    assert store.mark("reconcile:default") == 1000.0


def test_marks_of_other_names_and_intervals_are_untouched(store: AnyStore) -> None:
    first_start = store.first_start()
    store.set_mark("reconcile", 1000.0)
    store.set_mark("first_start", 1.0)
    assert store.mark("reconcile:default") is None
    assert store.claim_interval("reconcile", every_s=300)
    assert store.mark("reconcile") == 1000.0
    assert store.first_start() == first_start

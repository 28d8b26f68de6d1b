"""The text of /metrics, read back by Prometheus' own parser."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from app import wiring
from app.adapters.rq_queue import QueueCounts
from app.adapters.sql_people import Counts
from app.config import Settings, load_settings
from app.core.state import Goal
from app.ops import metrics
from app.recall.webhook import RejectionKind

COUNTS = Counts(
    transcriptions={"stored": 12, "failed": 1},
    attempts={("recallai_async", "done"): 11, ("deepgram_async", "failed"): 2},
    commands_pending=5,
    commands_due=2,
    oldest_undone_s=3.5,
    deliveries_unapplied=4,
    deliveries_unreadable=1,
    rejected={"bad_signature": 7, "too_large": 1},
    alarms={"money_lost": 1},
    paused=("default",),
)
QUEUES = (QueueCounts("recall", 3, 2, 1, 0, 4), QueueCounts("inbox", 1, 0, 0, 0, 1))


def samples(text: bytes) -> dict[str, float]:
    """Sample name with labels to value."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_every_count_appears_under_its_name() -> None:
    found = samples(metrics.render(COUNTS, QUEUES, heartbeats={"dispatcher": (1.5, "secret detail")}))
    expected = {
        "afterword_up{part=database}": 1,
        "afterword_up{part=queue}": 1,
        "afterword_transcriptions{goal=stored}": 12,
        "afterword_transcriptions{goal=failed}": 1,
        "afterword_attempts{fate=done,provider=recallai_async}": 11,
        "afterword_attempts{fate=failed,provider=deepgram_async}": 2,
        "afterword_commands_pending": 5,
        "afterword_commands_due": 2,
        "afterword_oldest_undone_seconds": 3.5,
        "afterword_deliveries_unapplied": 4,
        "afterword_deliveries_unreadable": 1,
        "afterword_deliveries_rejected_total{kind=bad_signature}": 7,
        "afterword_deliveries_rejected_total{kind=too_large}": 1,
        "afterword_alarms_total{name=money_lost}": 1,
        "afterword_workspace_paused{workspace=default}": 1,
        "afterword_workspaces_paused": 1,
        "afterword_queue_jobs{queue=recall,state=waiting}": 3,
        "afterword_queue_jobs{queue=recall,state=started}": 2,
        "afterword_queue_jobs{queue=recall,state=failed}": 1,
        "afterword_queue_jobs{queue=recall,state=stuck}": 0,
        "afterword_workers{queue=recall}": 4,
        "afterword_workers{queue=inbox}": 1,
        "afterword_heartbeat_age_seconds{process=dispatcher}": 1.5,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_what_has_not_happened_yet_is_nought_so_that_a_first_time_shows_as_a_rise() -> None:
    found = samples(metrics.render(Counts(), ()))
    assert {g: found[f"afterword_transcriptions{{goal={g}}}"] for g in Goal} == dict.fromkeys(Goal, 0)
    for kind in RejectionKind:
        assert found[f"afterword_deliveries_rejected_total{{kind={kind}}}"] == 0
    assert found["afterword_oldest_undone_seconds"] == 0


def test_part_that_is_away_is_named_and_the_other_still_counted() -> None:
    without_database = samples(metrics.render(None, QUEUES))
    assert without_database["afterword_up{part=database}"] == 0
    assert without_database["afterword_workers{queue=recall}"] == 4
    assert not [name for name in without_database if name.startswith("afterword_transcriptions")]
    without_queue = samples(metrics.render(COUNTS, None))
    assert without_queue["afterword_up{part=queue}"] == 0
    assert without_queue["afterword_transcriptions{goal=stored}"] == 12
    assert not [name for name in without_queue if name.startswith("afterword_queue")]
    assert len(samples(metrics.render(None, None))) == 2


def test_part_that_answers_and_takes_no_writes_is_down_with_its_numbers() -> None:
    found = samples(metrics.render(COUNTS, QUEUES, takes_writes=["queue"]))
    assert found["afterword_up{part=database}"] == 0
    assert found["afterword_up{part=queue}"] == 1
    assert found["afterword_transcriptions{goal=stored}"] == 12
    assert samples(metrics.render(COUNTS, QUEUES, takes_writes=[]))["afterword_up{part=queue}"] == 0


def test_database_that_refuses_writes_is_down_in_the_metrics_of_the_service(tmp_path: Path) -> None:
    settings = load_settings(
        {
            "AFTERWORD_ISOLATED": "1",
            "AFTERWORD_HOME": str(tmp_path),
            "RECALL_API_KEY": "key-of-nobody",
            "RECALL_API_BASE_URL": "http://127.0.0.1:1",
            "RECALL_WEBHOOK_SECRETS": "whsec_" + "A" * 32,
        }
    )
    wiring.migrate(settings)
    up = "afterword_up{part=database}"
    assert samples(_metrics_of(settings))[up] == 1
    with closing(sqlite3.connect(tmp_path / "afterword.db")) as foreign:
        for what in ("INSERT", "UPDATE"):  # as a full disk does; reading goes on
            foreign.execute(
                f"CREATE TRIGGER full_{what} BEFORE {what} ON installation "
                "BEGIN SELECT RAISE(FAIL, 'full'); END"
            )
    found = samples(_metrics_of(settings))
    assert found[up] == 0
    assert found["afterword_commands_pending"] == 0, "what can be read is still told"


def _metrics_of(settings: Settings) -> bytes:
    show = wiring.web_parts(settings).metrics
    assert show is not None
    return show()


def test_everything_is_ours_explained_and_without_details() -> None:
    text = metrics.render(COUNTS, QUEUES, heartbeats={"web": (-0.2, "secret detail")}).decode()
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("afterword_")
        assert len(family.documentation) > 15, family.name
    assert "secret detail" not in text
    assert samples(text.encode())["afterword_heartbeat_age_seconds{process=web}"] == 0


def test_hostile_label_cannot_forge_a_line() -> None:
    text = metrics.render(Counts(attempts={('x"} 1\nforged_metric 9', "done"): 1}), ())
    assert "forged_metric" not in samples(text)

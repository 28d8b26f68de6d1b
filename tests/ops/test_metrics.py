"""The text of /metrics, read back by Prometheus' own parser."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app import wiring
from app.adapters.redis.job_queue import QueueCounts
from app.adapters.sql.health import Facts
from app.adapters.sql.queries import Counts
from app.adapters.sql.spending import Spent
from app.core.state import Phase
from app.ops import metrics
from app.recall.signatures import RejectionKind
from app.settings.environment import Settings, load_settings
from app.web.health import PARTS

COUNTS = Counts(
    transcriptions={"stored": 12, "failed": 1},
    attempts={("recallai_async", "done"): 11, ("deepgram_async", "failed"): 2},
    commands_pending=5,
    commands_due=2,
    deliveries_unapplied=4,
    deliveries_unreadable=1,
    rejected={"bad_signature": 7, "too_large": 1},
    alarms={"money_lost": 1},
    paused=("default",),
    announcements_waiting={"crm": 3, "gone": 1},
    spent_today=(Spent(20_000, "default", "recallai_async", "USD", 1_350_000, 5),),
    over_budget=2,
)
FACTS = Facts(
    now=5000.0,
    heartbeats={"dispatcher": (1.5, "secret detail")},
    oldest_undone_s=3.5,
    breakers={"deepgram_async": "open", "gladia_async": "half_open"},
    last_webhook_at=4000.0,
    last_stored_at=4500.0,
)
MEASURED = (
    {
        "recall:create:2xx": 40, "recall:create:http_402": 2, "recall:list:silence": 1, "failed:no_credit": 3,
        "stored_seconds:le:5": 2, "stored_seconds:le:60": 5, "stored_seconds:le:inf": 1,
        "outgoing:crm:delivered": 6, "stored_seconds:sum_ms": 123_456, "goal:stored": 12, "sends": 99,
    },
    {"accepted": 17, "rejected:stale": 1},
)  # fmt: skip
PROVIDERS = ("recallai_async", "deepgram_async")
QUEUES = (QueueCounts("recall", 3, 2, 1, 0, 4), QueueCounts("inbox", 1, 0, 0, 0, 1))


def samples(text: bytes) -> dict[str, float]:
    """Sample name with labels to value."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def everything() -> bytes:
    parts = {**dict.fromkeys(PARTS, "ok"), "recall": "paused"}
    return metrics.render(
        COUNTS,
        QUEUES,
        parts=parts,
        facts=FACTS,
        measured=MEASURED,
        providers=PROVIDERS,
        endpoints={"crm": "disabled", "data": "ok"},
        lines_dropped=4,
    )


def test_every_count_appears_under_its_name() -> None:
    found = samples(everything())
    expected = {
        "afterword_up{part=database}": 1,
        "afterword_up{part=queue}": 1,
        "afterword_up{part=storage}": 1,
        "afterword_part_state{part=recall,state=paused}": 1,
        "afterword_part_state{part=recall,state=ok}": 0,
        "afterword_part_state{part=inbox,state=ok}": 1,
        "afterword_outgoing_endpoint{endpoint=crm,state=disabled}": 1,
        "afterword_outgoing_endpoint{endpoint=crm,state=ok}": 0,
        "afterword_outgoing_waiting{endpoint=crm}": 3,
        "afterword_outgoing_waiting{endpoint=data}": 0,
        "afterword_outgoing_waiting{endpoint=gone}": 1,
        "afterword_outgoing_tries_total{endpoint=crm,result=delivered}": 6,
        "afterword_transcriptions{phase=stored}": 12,
        "afterword_transcriptions{phase=failed}": 1,
        "afterword_attempts{provider=recallai_async,status=done}": 11,
        "afterword_attempts{provider=deepgram_async,status=failed}": 2,
        "afterword_commands_pending": 5,
        "afterword_commands_due": 2,
        "afterword_oldest_undone_seconds": 3.5,
        "afterword_deliveries_accepted_total": 17,
        "afterword_delivery_last_timestamp_seconds": 4000,
        "afterword_stored_last_timestamp_seconds": 4500,
        "afterword_deliveries_unapplied": 4,
        "afterword_deliveries_unreadable": 1,
        "afterword_deliveries_rejected_total{kind=bad_signature}": 7,
        "afterword_deliveries_rejected_total{kind=too_large}": 1,
        "afterword_deliveries_rejected_total{kind=wrong_path}": 0,
        "afterword_alarms_total{name=money_lost}": 1,
        "afterword_workspace_paused{workspace=default}": 1,
        "afterword_workspaces_paused": 1,
        "afterword_recall_answers_total{class=2xx,endpoint=create}": 40,
        "afterword_recall_answers_total{class=http_402,endpoint=create}": 2,
        "afterword_recall_answers_total{class=silence,endpoint=list}": 1,
        "afterword_recordings_failed{reason=no_credit}": 3,
        "afterword_provider_breaker{provider=recallai_async,state=closed}": 1,
        "afterword_provider_breaker{provider=recallai_async,state=open}": 0,
        "afterword_provider_breaker{provider=deepgram_async,state=open}": 1,
        "afterword_provider_breaker{provider=deepgram_async,state=closed}": 0,
        "afterword_provider_breaker{provider=gladia_async,state=half_open}": 1,
        "afterword_cost_today{currency=USD,provider=recallai_async,workspace=default}": 1.35,
        "afterword_daily_budget_waiting": 2,
        "afterword_log_lines_dropped_total": 4,
        "afterword_queue_jobs{queue=recall,state=waiting}": 3,
        "afterword_queue_jobs{queue=recall,state=started}": 2,
        "afterword_queue_jobs{queue=recall,state=failed}": 1,
        "afterword_queue_jobs{queue=recall,state=stuck}": 0,
        "afterword_workers{queue=recall}": 4,
        "afterword_workers{queue=inbox}": 1,
        "afterword_heartbeat_age_seconds{process=dispatcher}": 1.5,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_time_to_stored_is_a_histogram_whose_buckets_hold_those_below() -> None:
    found = samples(everything())
    name = "afterword_time_to_stored_seconds"
    buckets = {
        le: found[f"{name}_bucket{{le={le}}}"] for le in ("1", "5", "15", "60", "300", "86400", "+Inf")
    }

    assert buckets == {"1": 0, "5": 2, "15": 2, "60": 7, "300": 7, "86400": 7, "+Inf": 8}
    assert (found[f"{name}_count"], found[f"{name}_sum"]) == (8, 123.456)


def test_what_has_not_happened_yet_is_nought_so_that_a_first_time_shows_as_a_rise() -> None:
    found = samples(
        metrics.render(Counts(), (), facts=Facts(now=1.0), measured=({}, {}), providers=PROVIDERS)
    )
    assert {g: found[f"afterword_transcriptions{{phase={g}}}"] for g in Phase} == dict.fromkeys(Phase, 0)
    for kind in (*RejectionKind, "wrong_path", "wrong_method", "headers_too_large"):
        assert found[f"afterword_deliveries_rejected_total{{kind={kind}}}"] == 0
    assert found["afterword_oldest_undone_seconds"] == 0
    assert found["afterword_deliveries_accepted_total"] == 0
    assert found["afterword_log_lines_dropped_total"] == 0
    assert found["afterword_time_to_stored_seconds_count"] == 0
    assert found["afterword_provider_breaker{provider=deepgram_async,state=closed}"] == 1
    assert not [name for name in found if "timestamp" in name], "never is no time"


def test_part_that_is_away_is_named_and_the_other_still_counted() -> None:
    without_database = samples(metrics.render(None, QUEUES, parts={"database": "down", "queue": "ok"}))
    assert without_database["afterword_up{part=database}"] == 0
    assert without_database["afterword_up{part=queue}"] == 1
    assert without_database["afterword_workers{queue=recall}"] == 4
    assert not [name for name in without_database if name.startswith("afterword_transcriptions")]
    without_queue = samples(metrics.render(COUNTS, None, parts={"database": "ok", "queue": "unknown"}))
    assert without_queue["afterword_up{part=queue}"] == 0
    assert without_queue["afterword_part_state{part=queue,state=unknown}"] == 1
    assert without_queue["afterword_transcriptions{phase=stored}"] == 12
    assert not [name for name in without_queue if name.startswith("afterword_queue")]
    nothing = samples(metrics.render(None, None))
    assert {name.partition("{")[0] for name in nothing} == {
        "afterword_up",
        "afterword_part_state",
        "afterword_log_lines_dropped_total",
    }


def test_part_that_answers_and_takes_no_writes_is_down_with_its_numbers() -> None:
    found = samples(metrics.render(COUNTS, QUEUES, parts={"database": "down", "queue": "ok"}))
    assert found["afterword_up{part=database}"] == 0
    assert found["afterword_up{part=queue}"] == 1
    assert found["afterword_transcriptions{phase=stored}"] == 12


@pytest.mark.slow
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
    found = samples(_metrics_of(settings))
    assert found[up] == found["afterword_up{part=storage}"] == 1
    with closing(sqlite3.connect(tmp_path / "afterword.db")) as foreign:
        for what in ("INSERT", "UPDATE"):  # as a full disk does; reading goes on
            foreign.execute(
                f"CREATE TRIGGER full_{what} BEFORE {what} ON installation "
                "BEGIN SELECT RAISE(FAIL, 'full'); END"
            )
    shutil.rmtree(tmp_path / "transcripts")
    (tmp_path / "transcripts").write_text("storage that cannot be written")
    found = samples(_metrics_of(settings))
    assert found[up] == 0
    assert found["afterword_up{part=storage}"] == 0
    assert found["afterword_commands_pending"] == 0, "what can be read is still told"


def _metrics_of(settings: Settings) -> bytes:
    show = wiring.web_parts(settings).metrics
    assert show is not None
    return show()


def test_everything_is_ours_explained_and_without_details() -> None:
    text = everything().decode()
    for family in text_string_to_metric_families(text):
        assert family.name.startswith("afterword_")
        assert len(family.documentation) > 15, family.name
    assert "secret detail" not in text
    ahead = metrics.render(None, None, facts=Facts(now=1.0, heartbeats={"web": (-0.2, "")}))
    assert samples(ahead)["afterword_heartbeat_age_seconds{process=web}"] == 0


def test_hostile_label_cannot_forge_a_line() -> None:
    text = metrics.render(Counts(attempts={('x"} 1\nforged_metric 9', "done"): 1}), ())
    assert "forged_metric" not in samples(text)

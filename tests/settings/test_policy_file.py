"""`policy.toml`: every key, every fault, and the example that says what is built in."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.core.cost import Prices
from app.core.durations import Durations
from app.core.intent import Intent
from app.core.policy import Policy, ProviderChoice, Rule, Selection
from app.core.quality import RANKED, Quality
from app.recall.providers import BUILT_IN_PROVIDERS
from app.recall.signatures import parse_secret
from app.settings.environment import load_settings
from app.settings.faults import Table, key, line_of, sentences
from app.settings.outgoing import OutgoingEvent
from app.settings.policy_file import PolicyTables
from app.settings.program_name import ROOT
from tests.announce.receiver import OLD_SECRET, SECRET
from tests.policies import built_in
from tests.settings.conftest import GOOD, Load, Problems

EXAMPLE = ROOT / "policy.example.toml"


def policy_of(load: Load, root: Path, text: str, **changes: str) -> Policy:
    (root / "policy.toml").write_text(text, "utf-8")
    return load(**changes).policy


def test_example_says_exactly_what_is_built_in(load: Load, root: Path) -> None:
    assert policy_of(load, root, EXAMPLE.read_text("utf-8")) == built_in()


def test_example_shows_every_key_with_its_meaning() -> None:
    text = EXAMPLE.read_text("utf-8")
    shown = re.sub(r"^#(?=\[|[a-z_.]+ = )", "", text, flags=re.MULTILINE)
    assert _keys(tomllib.loads(shown)) == set(_fields(PolicyTables))
    words = re.sub(r"\s+", " ", text.replace("#", " ")).lower()
    for name, field in _fields(PolicyTables).items():
        assert field.description, name
        assert field.description.lower() in words, name


def test_every_key_that_core_knows_by_the_same_name_has_the_default_of_core(load: Load) -> None:
    """`Policy` has defaults for those that make one by hand; the model's are those of the file."""
    names = {field.name for field in dataclasses.fields(Policy)} & PolicyTables.model_fields.keys()
    assert len(names) > 8
    assert load().policy == built_in()


def _fields(model: type[Table], *, around: str = "") -> dict[str, FieldInfo]:
    """Every key, those of a table in a table with a dot."""
    found = {}
    for name, field in model.model_fields.items():
        found[around + name] = field
        if isinstance(field.annotation, type) and issubclass(field.annotation, Table):
            found |= _fields(field.annotation, around=f"{name}.")
    return found


def _keys(tables: Mapping[str, Any], *, around: str = "") -> set[str]:
    """The same of what stands in a file; a table that is a value itself is one key."""
    found = set()
    for name, value in tables.items():
        found.add(around + name)
        if name in ("select", "api", "retention", "quality", "intent", "cost", "shadow"):
            found |= _keys(value, around=f"{name}.")
    return found


def test_empty_file_is_the_built_in_policy(load: Load, root: Path) -> None:
    assert policy_of(load, root, "") == built_in()


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("fallback_on_empty = true", Quality()),
        ("fallback_on_empty = false", Quality(empty="accept")),
        ("fallback_on_empty = false\n[quality]\nempty = 'flag'", Quality(empty="flag")),
        ("fallback_on_empty = true\n[quality]\nempty = 'fall-back'", Quality()),
        (
            "[quality]\nthin = 'fall-back'\nmin_coverage = 0.4\nevidence = 'timeline'",
            Quality(thin="fall-back", min_coverage=0.4, evidence="timeline"),
        ),
    ],
)
def test_the_short_form_stands_for_one_verdict_of_the_table(
    load: Load, root: Path, text: str, quality: Quality
) -> None:
    assert policy_of(load, root, text).quality == quality


def test_every_key_arrives(load: Load, root: Path) -> None:
    policy = policy_of(
        load,
        root,
        """
        providers = ["deepgram_async", "gladia_v2_async"]
        attempts = 5
        patience_s = 120
        give_up_after_h = 2.5
        on_silence = "next"
        fallback_on_empty = false
        separate_streams = false
        want_realtime = true
        reconcile = false
        at_limit = "prune"
        prune_stored = true
        formats = ["transcript.srt", "transcript.srt"]
        participants = true
        [options.gladia_v2_async]
        anything = { raw = [1, "two", true] }
        [select]
        default = "none"
        minimum_duration_s = 30
        include = { team = "sales" }
        exclude = { secret = "yes" }
        [shadow]
        percent = 2.5
        providers = ["rev_async", "deepgram_async", "rev_async"]
        [cost]
        daily_budget = 12.5
        separate_streams_factor = 1
        per_hour = { gladia_v2_async = 0.61, deepgram_async = 0.552, recallai_async = 0, rev_async = 1.2 }
        """,
    )
    assert policy == Policy(
        providers=(
            BUILT_IN_PROVIDERS[2],
            ProviderChoice("gladia_v2_async", {"anything": {"raw": [1, "two", True]}}),
        ),
        attempts=5,
        on_silence="next",
        quality=Quality(empty="accept"),
        intent=Intent(diarization="speaker-timeline"),
        want_realtime=True,
        reconcile=False,
        at_limit="prune",
        prune_stored=True,
        formats=("transcript.srt",),
        participants=True,
        shadow_percent=2.5,
        shadow_providers=("rev_async", "deepgram_async"),
        select=Selection(
            default="none",
            include=(("team", "sales"),),
            exclude=(("afterword", "skip"), ("secret", "yes")),
            minimum_duration_s=30.0,
        ),
        durations=Durations(first_ask_s=120.0, give_up_s=9000.0),
        prices=Prices(
            "USD",
            {
                "recallai_async": 0,
                "assembly_ai_async": 210_000,
                "gladia_v2_async": 610_000,
                "deepgram_async": 552_000,
                "rev_async": 1_200_000,
            },
            separate_streams_factor=1.0,
            daily_budget=12_500_000,
        ),
    )


def test_polling_is_impatient_by_itself_and_as_patient_as_one_says(load: Load, root: Path) -> None:
    by_itself = policy_of(load, root, "poll_only = true")
    assert by_itself.poll_only
    assert by_itself.durations.first_ask_s < built_in().durations.first_ask_s
    assert policy_of(load, root, "poll_only = true\npatience_s = 300").durations.first_ask_s == 300


def test_options_are_kept_as_they_are_written(load: Load, root: Path) -> None:
    policy = policy_of(load, root, '[options.deepgram_async]\nmodel = "nova-2"')
    assert [choice.options for choice in policy.providers] == [{}, {}, {"model": "nova-2"}]


def test_an_intent_arrives_whole(load: Load, root: Path) -> None:
    policy = policy_of(
        load,
        root,
        """
        separate_streams = true
        [intent]
        language = ["en", "de-CH"]
        code_switching = true
        diarization = "hybrid"
        speakers = 3
        key_terms = ["Afterword"]
        spelling = { "after word" = "Afterword" }
        profanity_filter = true
        redact = ["pii", "phi", "pii"]
        punctuation = false
        fillers = true
        unsupported = "strict"
        [generation]
        deepgram_async = "vendor"
        recallai_async = "auto"
        """,
    )
    assert policy.intent == Intent(
        languages=("en", "de-CH"),
        code_switching=True,
        diarization="hybrid",
        speakers=3,
        key_terms=("Afterword",),
        spelling=(("after word", "Afterword"),),
        profanity_filter=True,
        redact=("pii", "phi"),
        punctuation=False,
        fillers=True,
        unsupported="strict",
    )
    assert policy.generations == {"deepgram_async": "vendor"}


def test_a_rule_names_what_is_otherwise_and_for_which_recordings(load: Load, root: Path) -> None:
    text = """
        [[rules]]
        when = { metadata = { language = "de" }, workspace = "default", max_duration_s = 7200 }
        intent = { language = "de-CH" }
        providers = ["rev_async", "deepgram_async"]
        [[rules]]
        when = { min_duration_s = 60 }
        intent = { fillers = true }
        [options.rev_async]
        x = 1
        """
    rules = (
        Rule(
            (("language", "de"),),
            "default",
            0.0,
            7200.0,
            {"languages": ("de-CH",)},
            (ProviderChoice("rev_async", {"x": 1}), BUILT_IN_PROVIDERS[2]),
            attempts=2,
        ),
        Rule(min_duration_s=60.0, intent={"fillers": True}),
    )
    assert policy_of(load, root, text).rules == rules
    assert [r.attempts for r in policy_of(load, root, "attempts = 1" + text).rules] == [0, 0]


def test_budget_is_one_attempt_per_provider_unless_said_and_never_above_nine(load: Load, root: Path) -> None:
    assert policy_of(load, root, 'providers = ["rev_async"]').attempts == 1
    many = [f"p{n}_async" for n in range(12)]
    assert policy_of(load, root, f"providers = {many}").attempts == 9


def test_quick_change_of_the_order_wins_and_leaves_the_files_options_in_peace(load: Load, root: Path) -> None:
    text = 'providers = ["gladia_v2_async"]\n[options.gladia_v2_async]\na = 1'
    policy = policy_of(load, root, text, AFTERWORD_PROVIDERS=" deepgram_async , recallai_async,")
    assert policy.providers == (BUILT_IN_PROVIDERS[2], BUILT_IN_PROVIDERS[0])
    kept = policy_of(load, root, text, AFTERWORD_PROVIDERS="gladia_v2_async")
    assert ProviderChoice("gladia_v2_async", {"a": 1}) in kept.providers


@pytest.mark.parametrize(
    "key", ["brandnew_async", "gladia_v3_async", "google_speech_v3_async", "azure_async"]
)
def test_provider_that_is_new_to_us_is_a_warning_since_recall_adds_them_unannounced(
    load: Load, key: str
) -> None:
    settings = load(AFTERWORD_PROVIDERS=key)
    assert settings.policy.providers == (ProviderChoice(key, {}),)
    assert key in settings.warnings[0]


def test_policy_file_is_found_at_the_root_or_where_the_setting_says(load: Load, root: Path) -> None:
    (root / "policy.toml").write_text("attempts = 1")
    (root / "other.toml").write_text("attempts = 2")
    assert load().policy.attempts == 1
    assert load(AFTERWORD_POLICY="other.toml").policy.attempts == 2


def test_durations_are_scaled_once(load: Load, root: Path) -> None:
    policy = policy_of(
        load,
        root,
        "patience_s = 1200",
        RECALL_REGION="us-west-2",
        RECALL_API_BASE_URL="http://127.0.0.1:1",
        AFTERWORD_TIME_SCALE="10",
    )
    assert policy.durations == replace(Durations(), first_ask_s=1200.0).scaled(10)


_HOOK = "[webhooks.crm]\nurl = 'https://crm.example/x'\nsecret_env = 'GOOD_HOOK'\n"
_HOOKS = {"GOOD_HOOK": f"{SECRET} {OLD_SECRET}", "BAD_HOOK": "hunter2"}
FAULTS = [
    ("provider = []", "Unknown key 'provider' in policy; did you mean 'providers'?"),
    ("attemps = 2", "did you mean 'attempts'?"),
    ("patience = 2", "did you mean 'patience_s'?"),
    ("xyzzy = 2", "Unknown key 'xyzzy' in policy; known are providers, options"),
    ("[select]\nexclud = {}", "Unknown key 'exclud' in policy [select]; did you mean 'exclude'?"),
    ("providers = 'x'", "providers has the wrong type; see policy.example.toml"),
    ("providers = []", "name at least one of Recall's asynchronous providers"),
    ("providers = [1]", "name at least one of Recall's asynchronous providers"),
    ("providers = ['recallai_streaming']", "real-time ones cannot transcribe a finished recording"),
    ("providers = ['rev_async', 'rev_async']", "one is named twice"),
    ("options = 1", "options has the wrong type"),
    ("[options]\nrev_async = 1", "options.rev_async: this provider is not in the list"),
    ("[options]\ndeepgram_async = 1", "options.deepgram_async: must be a table"),
    ("[options.rev_async]\na = 1", "options.rev_async: this provider is not in the list"),
    ("[options.deepgram_async]\na = 2026-01-01", "options.deepgram_async: a date, nan or inf is not JSON"),
    ("[options.deepgram_async.b]\na = [nan]", "options.deepgram_async: a date, nan or inf is not JSON"),
    ("attempts = 0", "attempts: 0 is outside 1 to 9"),
    ("attempts = 10", "Recall stops at 10 transcripts per recording"),
    ("attempts = 1.5", "attempts has the wrong type"),
    ("attempts = true", "attempts has the wrong type"),
    ("patience_s = 29", "patience_s: must be between 30 seconds and a day"),
    ("patience_s = nan", "patience_s: must be between 30 seconds and a day"),
    ("give_up_after_h = 721", "give_up_after_h: must be between 2 and 720 hours"),
    ("give_up_after_h = inf", "give_up_after_h: must be between 2 and 720 hours"),
    ("patience_s = 10800\ngive_up_after_h = 2", "Recall would never be asked"),
    ("on_silence = 'pay'", "on_silence: 'pay' is not one of fail, next"),
    ("at_limit = 'delete'", "at_limit: 'delete' is not one of stop, prune"),
    ("fallback_on_empty = 1", "fallback_on_empty has the wrong type"),
    (
        "fallback_on_empty = true\n[quality]\nempty = 'flag'",
        "contradicts fallback_on_empty = true",
    ),
    ("fallback_on_empty = false\n[quality]\nempty = 'fall-back'", "contradicts fallback_on_empty = false"),
    ("[quality]\nthin = 'fallback'", "quality.thin: 'fallback' is not one of accept, flag, fall-back"),
    *(
        (f"[quality]\n{name} = 'x'", f"quality.{name}: 'x' is not one of {actions}")
        for name, actions in [
            ("evidence", "free, timeline"),
            *((name, "accept, flag, fall-back") for name in RANKED[1:]),
        ]
    ),
    ("[quality]\nmin_coverage = 2.0", "quality.min_coverage: must be between 0 and 1"),
    ("[quality]\nthick = 'flag'", "Unknown key 'thick' in policy [quality]; did you mean 'thin'?"),
    ("separate_streams = 'yes'", "separate_streams has the wrong type"),
    ("poll_only = 1", "poll_only has the wrong type"),
    ("reconcile = 'no'", "reconcile has the wrong type"),
    ("poll_only = true\nreconcile = false", "reconcile = false contradicts poll_only = true"),
    ("search = 'no'", "search has the wrong type"),
    ("[retention]\nresults_days = -1", "must be between 0 (for ever) and 36,500 days"),
    ("[retention]\nrows_days = 40000", "must be between 0 (for ever) and 36,500 days"),
    ("[retention]\ndelete_at_recall = 'media'", "retention"),
    ("[retention]\ndays = 1", "retention"),
    ("[shadow]\npercent = 101\nproviders = ['rev_async']", "shadow.percent: must be between 0 and 100"),
    ("[shadow]\npercent = 1", "shadow: percent without providers compares with nothing"),
    ("[shadow]\nproviders = ['deepgram']", "Recall's; did you mean deepgram_async"),
    ("cost = 1", "cost has the wrong type"),
    ("[cost]\nbudget = 1", "Unknown key 'budget' in policy [cost]; did you mean 'daily_budget'?"),
    ("[cost]\ncurrency = '$'", "cost.currency: '$' is no code of a currency"),
    ("[cost]\ndaily_budget = -1", "cost.daily_budget: must be between 0 and 1,000,000"),
    ("[cost]\ndaily_budget = nan", "cost.daily_budget: must be between 0 and 1,000,000"),
    ("[cost]\nseparate_streams_factor = 0.5", "must be between 1 and 10"),
    ("[cost.per_hour]\nrecallai_async = -1", "must be between 0 and 1,000,000"),
    ("[cost.per_hour]\nrecallai_async = '1'", "recallai_async has the wrong type"),
    ("[cost.per_hour]\ndeepgram = 1", "asynchronous provider of Recall's; did you mean deepgram_async"),
    ("[cost]\ndaily_budget = 1", "line 1: cost.daily_budget: deepgram_async has no price"),
    (
        "providers = ['recallai_async']\n[[rules]]\nwhen = { metadata = { x = 'y' } }\n"
        "providers = ['rev_async']\n[cost]\ndaily_budget = 1",
        "cost.daily_budget: rev_async has no price",
    ),
    (
        "providers = ['recallai_async']\n[cost]\ndaily_budget = 1\n"
        "[shadow]\npercent = 1\nproviders = ['rev_async']",
        "cost.daily_budget: rev_async has no price",
    ),
    (
        "[cost]\ncurrency = 'EUR'\ndaily_budget = 1",
        "recallai_async, assembly_ai_async, deepgram_async has no price",
    ),
    ("want_realtime = 1", "want_realtime has the wrong type"),
    ("prune_stored = 1", "prune_stored has the wrong type"),
    ("participants = 1", "participants has the wrong type"),
    ("formats = ['transcript.docx']", "formats: 'transcript.docx' is none of sentences.json, transcript.txt"),
    ("intent = 1", "intent has the wrong type"),
    ("[intent]\nlanguage = 'english'", "intent.language: 'english' is no BCP 47 tag such as"),
    ("[intent]\nlanguage = ['en', 'auto']", 'or "auto" alone'),
    ("[intent]\nlanguage = []", "intent.language: name one tag"),
    ("[intent]\nlanguages = 'de'", "Unknown key 'languages' in policy [intent]; did you mean 'language'?"),
    ("[intent]\ncode_switching = 1", "code_switching has the wrong type"),
    (
        "[intent]\ndiarization = 'machines'",
        "is not one of separate-streams, speaker-timeline, machine, hybrid",
    ),
    ("separate_streams = true\n[intent]\ndiarization = 'machine'", "contradicts separate_streams = true"),
    ("separate_streams = false\n[intent]\ndiarization = 'hybrid'", "contradicts separate_streams = false"),
    ("[intent]\nspeakers = -1", "intent.speakers: must be between 0 and 100"),
    ("[intent]\nkey_terms = [' ']", "intent.key_terms: a blank text says nothing"),
    ("[intent]\nspelling = ['a']", "spelling has the wrong type"),
    ("[intent]\nprofanity_filter = 'on'", "profanity_filter has the wrong type"),
    ("[intent]\nredact = ['names']", "intent.redact: 'names' is not one of pii, pci, phi, numbers"),
    ("[intent]\npunctuation = 1", "punctuation has the wrong type"),
    ("[intent]\nfillers = 1", "fillers has the wrong type"),
    ("[intent]\nunsupported = 'stric'", "did you mean 'strict'?"),
    ("rules = 1", "rules has the wrong type"),
    ("[[rules]]\nwhen = {}", "rules.when: name what it is for"),
    ("[[rules]]\nintent = {}", "policy [rules.0]: when is missing"),
    ("[[rules]]\nwhen = { min_duration_s = 9, max_duration_s = 8 }", "no recording is meant"),
    ("[[rules]]\nwhen = { metadta = {} }", "did you mean 'metadata'?"),
    ("[[rules]]\nwhen = { workspace = 'a' }\nproviders = ['rev_async', 'rev_async']", "one is named twice"),
    ("[[rules]]\nwhen = { workspace = 'a' }\nproviders = ['deepgram']", "did you mean deepgram_async?"),
    (
        "[[rules]]\nwhen = { workspace = 'a' }\nproviders = ['deepgramm_async']",
        "did you mean deepgram_async?",
    ),
    ("[[rules]]\nwhen = { workspace = 'a' }\nintent = { fillrs = true }", "did you mean 'fillers'?"),
    ("[generation]\ndeepgram_async = 'old'", "'old' is not one of auto, recall, vendor"),
    ("[generation]\nrev_async = 'auto'", "this provider is not in the list of providers"),
    ("select = 'all'", "select has the wrong type"),
    ("[select]\ndefault = 'some'", "select.default: 'some' is not one of all, none"),
    ("[select]\ninclude = ['x']", "include has the wrong type"),
    ("[select.include]\nnumber = 1", "select.include.number: metadata values are strings"),
    ("[select.exclude]\nflag = true", "select.exclude.flag: metadata values are strings"),
    ("[select]\nminimum_duration_s = -1", "select.minimum_duration_s: must be between 0 seconds and a day"),
    ("[select]\nminimum_duration_s = nan", "select.minimum_duration_s: must be between 0 seconds and a day"),
    ("[select]\nminimum_duration_s = inf", "select.minimum_duration_s: must be between 0 seconds and a day"),
    ("api = 1", "api has the wrong type"),
    ("[api]\nrequests_per_minute = 0", "api.requests_per_minute: must be between 1 and 60000"),
    ("[api]\ncors_origins = ['*']", "api.cors_origins: each is a scheme and a host"),
    ("[api]\ncors_origins = ['https://a.example/x']", "without a path"),
    ("[api]\npresigned_downloads = 1", "presigned_downloads has the wrong type"),
    ("webhooks = 1", "webhooks has the wrong type"),
    (_HOOK.replace("https://", "http://"), "must begin with https://; plain http needs allow_private"),
    (_HOOK.replace("crm.example", "10.0.0.1"), "leads into a private network; allow_private = true"),
    (_HOOK.replace("crm.example", "localhost"), "leads into a private network; allow_private = true"),
    (_HOOK.replace("https://crm.example", "crm"), "webhooks.crm.url: is no absolute http(s) address"),
    (_HOOK.replace("crm]", "'a b']"), "a webhook's name is up to 40 letters"),
    (_HOOK + "workspace = []\n", "Unknown key 'workspace' in policy [webhooks.crm]; did you mean"),
    (_HOOK + "secret_file = 'x'\n", "name the secret by secret_env or by secret_file, one of the two"),
    (_HOOK.replace("secret_env = 'GOOD_HOOK'", ""), "name the secret by secret_env or by secret_file"),
    (_HOOK.replace("GOOD_HOOK", "NO_HOOK"), "[webhooks.crm] secret_env: NO_HOOK is not set or empty"),
    (_HOOK.replace("GOOD_HOOK", "BAD_HOOK"), "[webhooks.crm] not a webhook secret"),
    (_HOOK.replace("secret_env = 'GOOD_HOOK'", "secret_file = 'none'"), "secret_file: none cannot be read"),
    (
        _HOOK + "events = ['transcription.done']\n",
        "'transcription.done' is not one of transcription.completed",
    ),
    (_HOOK + "events = []\n", "webhooks.crm.events: name at least one"),
    ("attempts =", "The policy file policy.toml cannot be read"),
    ("attempts = 1\nattempts = 2", "The policy file policy.toml cannot be read"),
]


@pytest.mark.parametrize(("text", "problem"), FAULTS, ids=[text for text, _ in FAULTS])
def test_faulty_policy_is_one_problem_that_says_what_would_be_right(
    problems: Problems, root: Path, text: str, problem: str
) -> None:
    (root / "policy.toml").write_text(text)
    (found,) = problems(**_HOOKS)
    assert problem in found
    assert "hunter2" not in found


def test_a_budget_is_held_against_the_providers_that_are_used(
    load: Load, problems: Problems, root: Path
) -> None:
    policy = policy_of(load, root, "[cost]\ndaily_budget = 1", AFTERWORD_PROVIDERS="recallai_async")
    assert (policy.prices.daily_budget, policy.prices.lacks("deepgram_async")) == (1_000_000, True)
    (problem,) = problems(AFTERWORD_PROVIDERS="rev_async")
    assert "rev_async has no price" in problem


def test_prices_that_are_built_in_count_in_their_own_currency_alone(load: Load, root: Path) -> None:
    text = "[cost]\ncurrency = 'EUR'\nper_hour = { rev_async = 2 }"
    assert policy_of(load, root, text).prices.per_hour == {"rev_async": 2_000_000}


def test_a_webhook_arrives_with_its_secrets_wherever_they_stand(load: Load, root: Path) -> None:
    (root / "policy.toml").write_text(
        _HOOK + "metadata = {team = 'sales'}\nworkspaces = ['default']\ninclude_text = true\n"
        "[webhooks.inner]\nurl = 'http://10.0.0.1/x?key=Zq9'\nsecret_file = 'hook'\nallow_private = true\n"
        "events = ['transcription.failed']\n"
    )
    (root / "hook").write_text(f"{OLD_SECRET}\n")
    crm, inner = load(**_HOOKS).endpoints
    assert (crm.name, crm.secrets) == ("crm", (parse_secret(SECRET), parse_secret(OLD_SECRET)))
    assert (crm.events, crm.include_text) == (frozenset(OutgoingEvent), True)
    assert crm.wants("transcription.failed", "default", {"team": "sales", "more": None})
    assert not crm.wants("transcription.failed", "default", {})
    assert inner.secrets == (parse_secret(OLD_SECRET),)
    assert (set(inner.events), inner.allow_private) == ({"transcription.failed"}, True)
    assert "Zq9" not in repr(load(**_HOOKS))
    assert crm.digest != inner.digest


def test_table_of_faults_has_a_row_for_every_key() -> None:
    for name in _fields(PolicyTables):
        assert [text for text, _ in FAULTS if name.rpartition(".")[2] in text], name


def test_policy_that_is_not_text_or_a_folder_is_a_problem(problems: Problems, root: Path) -> None:
    (root / "policy.toml").write_bytes(b"\xff")
    assert "cannot be read" in problems()[0]
    (root / "folder").mkdir()
    assert "cannot be read" in problems(AFTERWORD_POLICY="folder")[0]


TEXT = """# a comment
providers = [
  "recallai_async", # [select]
  'deepgram',
]

attemps = 2
"patience_s" = 12
options.deepgram_async.note = '''
attempts = 3
'''
[select]
default = "al"
[select.exclude]
team = 3 # the first

afterword = 4
"""


def test_each_problem_has_its_line_its_key_and_the_nearest_name(problems: Problems, root: Path) -> None:
    (root / "policy.toml").write_text(TEXT)
    found = [problem.replace("policy.toml, line ", "") for problem in problems()]
    assert sorted(found, key=lambda problem: int(problem.partition(":")[0])) == [
        "2: providers: 'deepgram' is not an asynchronous provider of Recall's; those end in _async, "
        "real-time ones cannot transcribe a finished recording; did you mean deepgram_async?",
        "7: Unknown key 'attemps' in policy; did you mean 'attempts'?",
        "8: patience_s: must be between 30 seconds and a day.",
        "13: select.default: 'al' is not one of all, none; did you mean 'all'?",
        "15: select.exclude.team: metadata values are strings at Recall.",
        "17: select.exclude.afterword: metadata values are strings at Recall.",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_are_those_an_editor_shows(end: str) -> None:
    text = end.join(
        ["", "a = 1", "# b = 2", "[[c]]", "d = 1", "[[c]]", "e = [", "1]", "f.g = 1", "f.h = 2", ""]
    )
    places = [("a",), ("c",), ("c", 0, "d"), ("c", 1), ("c", 1, "e"), ("c", 1, "f", "h")]
    assert [line_of(text, place) for place in places] == [2, 4, 5, 6, 7, 10]
    assert line_of(text, ("c", 1, "missing")) == 6, "of the table where it belongs"
    assert line_of(text, ("b",)) is None


def test_a_wrong_key_leaves_the_others_in_force(root: Path) -> None:
    """A command that uses no policy is told nothing of it, and what it is told of webhooks is right."""
    (root / "policy.toml").write_text("poll_only = true\nattempts = 0\npatience_s = 1")
    environ = {name: value for name, value in GOOD.items() if name != "RECALL_WEBHOOK_SECRETS"}
    settings = load_settings(environ, root=root, used={"RECALL_WEBHOOK_SECRETS"})
    assert settings.policy.poll_only
    assert "AFTERWORD_POLICY" in settings.wrong


class Hook(Table):
    url: str = key("", "an address")
    kinds: list[Literal["done", "failed"]] = key(["done"], "which")


class Chain(Table):
    providers: list[str] = key([], "in this order")
    hook: Hook | None = key(None, "of its own")


class Grown(Table):
    rules: list[Chain] = key([], "the first that fits")
    hooks: dict[str, Hook] = key({}, "by name")


GROWN = """
[[rules]]
providers = ["a"]
[[rules]]
provider = ["a"]
hook = { url = 3 }
[hooks.url]
urls = "a"
kinds = ["done", "fail"]
[hooks.other]
url = 3
"""


def test_tables_in_lists_and_tables_by_name_have_the_same_sentences_without_a_word_of_their_own() -> None:
    with pytest.raises(ValidationError) as error:
        Grown.model_validate(tomllib.loads(GROWN))
    assert [
        f"{line_of(GROWN, path)}: {sentence}"
        for path, sentence in sentences(Grown, error.value, where="policy")
    ] == [
        "6: policy [rules.1.hook]: url has the wrong type; see policy.example.toml.",
        "5: Unknown key 'provider' in policy [rules.1]; did you mean 'providers'?",
        "9: hooks.url.kinds: 'fail' is not one of done, failed; did you mean 'failed'?",
        "8: Unknown key 'urls' in policy [hooks.url]; did you mean 'url'?",
        "11: policy [hooks.other]: url has the wrong type; see policy.example.toml.",
    ]

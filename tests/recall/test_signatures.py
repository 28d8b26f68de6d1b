"""The verifier against the published vectors, and against svix as oracle for everything else."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from svix.webhooks import Webhook, WebhookVerificationError

from app.recall.signatures import (
    FAMILIES,
    REMEDIES,
    RejectionKind,
    Secret,
    WebhookRejected,
    judge_headers,
    parse_secret,
    verify,
)

# standard-webhooks, libraries/python/tests/test_webhooks.py
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT_S = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
WRONG = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="
OTHER = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


def headers(
    *, family: str = "webhook", webhook_id: str = ID, at: str | int = AT_S, signature: str = SIGNATURE
) -> dict[str, str]:
    return {
        f"{family}-id": webhook_id,
        f"{family}-timestamp": str(at),
        f"{family}-signature": signature,
    }


def label_of(
    given_headers: dict[str, str], *, body: bytes = BODY, now_s: float = AT_S, secret: str = SECRET
) -> str:
    claims = judge_headers(given_headers)
    return verify(claims, body, [parse_secret(secret)], now_s=now_s).secret_label


def kind_of(given_headers: dict[str, str], *, body: bytes = BODY, now_s: float = AT_S) -> RejectionKind:
    with pytest.raises(WebhookRejected) as caught:
        label_of(given_headers, body=body, now_s=now_s)
    return caught.value.kind


# -- signatures ----------------------------------------------------------------------------------
@pytest.mark.parametrize("family", ["webhook", "svix"])
def test_published_vector_is_accepted_in_both_header_families(family: str) -> None:
    verified = verify(
        judge_headers(headers(family=family)), BODY, [parse_secret(f"blue={SECRET}")], now_s=AT_S
    )

    assert (verified.webhook_id, verified.timestamp_s, verified.secret_label) == (ID, AT_S, "blue")


def test_header_names_are_read_in_any_capitalisation() -> None:
    assert label_of({name.title(): text for name, text in headers().items()})


def test_signature_wrong_by_one_bit_is_rejected() -> None:
    assert kind_of(headers(signature=WRONG)) is RejectionKind.BAD_SIGNATURE


def test_valid_signature_is_found_in_the_middle_of_a_rotation_list() -> None:
    v2 = OTHER.replace("v1,", "v2,")

    assert label_of(headers(signature=f"{OTHER} {v2} {SIGNATURE} {OTHER}"))


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "v1",
        "v1,",
        "v1,a,b",
        "v1,%%%",
        "v1,YQ",
        "v1,é",
        "v1a,hnO3f9T8Ytu9HwrXslvumlUp",
        "\t",
        ",",
        SIGNATURE + ",",
    ],
)
def test_malformed_entry_neither_raises_nor_hides_the_valid_one_behind_it(odd: str) -> None:
    assert label_of(headers(signature=f"{odd} {SIGNATURE}"))
    assert label_of(headers(signature=f"{SIGNATURE} {odd}"))


@pytest.mark.parametrize(
    "signature", ["v1,%%%", "v2" + SIGNATURE[2:], "v1a" + SIGNATURE[2:], "nonsense", " "]
)
def test_list_without_any_usable_entry_is_malformed_before_a_body_is_read(signature: str) -> None:
    with pytest.raises(WebhookRejected) as caught:
        judge_headers(headers(signature=signature))

    assert caught.value.kind is RejectionKind.MALFORMED


@pytest.mark.parametrize(
    "change", [b"", BODY + b" ", b'{"test": 2432232315}', BODY.decode().encode("utf-16")]
)
def test_changed_body_is_rejected(change: bytes) -> None:
    assert kind_of(headers(), body=change) is RejectionKind.BAD_SIGNATURE


def test_signed_body_that_is_not_utf8_verifies_because_it_must_be_kept() -> None:
    body = b"\xff\xfe\x00 not text"
    key = parse_secret(SECRET).key
    digest = hmac.digest(key, f"{ID}.{AT_S}.".encode() + body, hashlib.sha256)

    assert label_of(headers(signature="v1," + base64.b64encode(digest).decode()), body=body)


def test_each_of_several_secrets_may_sign_and_the_verdict_names_which() -> None:
    old, new = parse_secret("old=whsec_" + "A" * 40), parse_secret(f"new={SECRET}")

    for secrets in ([old, new], [new, old]):
        assert verify(judge_headers(headers()), BODY, secrets, now_s=AT_S).secret_label == "new"


def test_without_any_secret_nothing_verifies() -> None:
    with pytest.raises(WebhookRejected, match="bad_signature"):
        verify(judge_headers(headers()), BODY, [], now_s=AT_S)


# -- two families ----------------------------------------------------------------------------------
@pytest.mark.parametrize("missing", ["id", "timestamp", "signature"])
def test_headers_are_not_mixed_from_two_families(missing: str) -> None:
    half = headers()
    other = {f"svix-{missing}": half.pop(f"webhook-{missing}")}

    assert kind_of(half | other) is RejectionKind.MISSING_HEADERS


@pytest.mark.parametrize("ours", FAMILIES)
@pytest.mark.parametrize(
    "foreign",
    [
        {"signature": WRONG, "webhook_id": "msg_relay"},
        {"signature": WRONG, "at": AT_S - 3600},
        {"signature": "v1a,ed25519"},
        {"webhook_id": "a relay's id / with blanks"},
        {"at": "2021-02-25T12:42:10Z"},
    ],
    ids=["signed by another", "and stale", "of another version", "an odd id", "an odd time"],
)
def test_complete_foreign_set_beside_ours_hides_nothing(ours: str, foreign: dict[str, Any]) -> None:
    (theirs,) = set(FAMILIES) - {ours}

    claims = judge_headers(headers(family=ours) | headers(family=theirs, **foreign))

    assert any(claim.is_fresh(AT_S) for claim in claims)
    verified = verify(claims, BODY, [parse_secret(SECRET)], now_s=AT_S)
    assert (verified.webhook_id, verified.timestamp_s) == (ID, AT_S)


@pytest.mark.parametrize("ours", FAMILIES)
def test_neither_of_two_complete_sets_holds(ours: str) -> None:
    (theirs,) = set(FAMILIES) - {ours}
    wrong = headers(family=ours, signature=WRONG) | headers(family=theirs, signature=OTHER)
    old = headers(family=ours) | headers(family=theirs, signature=WRONG)
    odd = headers(family=ours, webhook_id="/") | headers(family=theirs, signature="v2,x")

    assert kind_of(wrong) is RejectionKind.BAD_SIGNATURE
    assert kind_of(old, now_s=AT_S + 301) is RejectionKind.STALE
    assert not any(claim.is_fresh(AT_S + 301) for claim in judge_headers(old))
    assert kind_of(odd) is RejectionKind.MALFORMED


def test_incomplete_webhook_family_gives_way_to_a_complete_svix_one() -> None:
    assert label_of({"webhook-id": "msg_other", "webhook-signature": WRONG} | headers(family="svix"))


@pytest.mark.parametrize("blank", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_missing_or_empty_header_is_unsigned(blank: str) -> None:
    assert (
        kind_of({name: text for name, text in headers().items() if name != blank})
        is RejectionKind.MISSING_HEADERS
    )
    assert kind_of(headers() | {blank: ""}) is RejectionKind.MISSING_HEADERS
    assert kind_of({}) is RejectionKind.MISSING_HEADERS


# -- time and id ---------------------------------------------------------------------------------
@pytest.mark.parametrize("off_s", [-301, 301, -86_400, 86_400 * 365])
def test_rightly_signed_but_older_or_younger_than_five_minutes_is_stale(off_s: int) -> None:
    assert kind_of(headers(), now_s=AT_S + off_s) is RejectionKind.STALE


@pytest.mark.parametrize("off_s", [-300, -299, 0, 299, 300])
def test_five_minutes_either_way_are_tolerated(off_s: int) -> None:
    assert label_of(headers(), now_s=AT_S + off_s)


def test_forged_and_old_is_forged_not_stale() -> None:
    assert kind_of(headers(signature=WRONG), now_s=AT_S + 3600) is RejectionKind.BAD_SIGNATURE


@pytest.mark.parametrize(
    "at",
    [
        "hello",
        "-1",
        "0",
        "01614265330",
        "1614265330.0",
        "1e9",
        "nan",
        " 1614265330",
        "1_614_265_330",
        "９",
        "9" * 12,
    ],
)
def test_timestamp_that_is_no_plain_integer_is_malformed(at: str) -> None:
    assert kind_of(headers(at=at)) is RejectionKind.MALFORMED


@pytest.mark.parametrize(
    "webhook_id", ["../etc", "..", "a/b", "a b", "a,a", "a.b", "é", "x\0", "x\n", "a" * 201, "-a"]
)
def test_id_of_characters_no_sender_uses_is_malformed(webhook_id: str) -> None:
    assert kind_of(headers(webhook_id=webhook_id)) is RejectionKind.MALFORMED


# -- secrets -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "key"),
    [
        (SECRET, SECRET[6:]),
        (SECRET[6:], SECRET[6:]),
        (f"  {SECRET}\n", SECRET[6:]),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr=="),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr==", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr=="),
    ],
)
def test_secret_is_read_with_or_without_prefix_and_padding(text: str, key: str) -> None:
    assert parse_secret(text).key == base64.b64decode(key)


def test_key_of_23_bytes_signs_as_svix_does_though_no_setting_may_hold_one() -> None:
    unpadded = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"
    signature = Webhook(unpadded).sign(ID, datetime.fromtimestamp(AT_S, UTC), BODY.decode())
    secret = Secret("short", base64.b64decode(unpadded + "="))

    assert verify(judge_headers(headers(signature=signature)), BODY, [secret], now_s=AT_S).webhook_id == ID
    with pytest.raises(ValueError, match="23 bytes"):
        parse_secret(unpadded)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "hello world, this is not base64!",
        "whsec_" + "A" * 30,
        "whsec_" + "A" * 88,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
        "whsec_" + "A" * 33,
        "whsec_MfKQ9r8GKYqrTw=jUPD8ILPZIo2LaLaSw",
        "label=MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "bad label=" + SECRET,
        f"{SECRET},{SECRET}",
    ],
)
def test_unusable_secret_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="not a webhook secret") as caught:
        parse_secret(text)

    assert caught.value.__cause__ is None
    long_parts = [part for part in text.replace("whsec_", "").split("=") if len(part) > 8]
    assert not any(part in str(caught.value) for part in long_parts)


def test_secrets_and_signatures_do_not_show_in_a_repr() -> None:
    secret = parse_secret(f"blue={SECRET}")

    assert repr(secret) == "Secret(label='blue')"
    assert "signatures" not in repr(judge_headers(headers()))


def test_nameless_secrets_are_told_apart_in_logs_by_a_fingerprint() -> None:
    label = parse_secret(SECRET).label

    assert label == "key-" + hashlib.sha256(base64.b64decode(SECRET[6:])).hexdigest()[:8]


def test_every_kind_of_rejection_has_a_remedy() -> None:
    assert set(REMEDIES) == set(RejectionKind)


# -- the oracle ----------------------------------------------------------------------------------
KEYS = st.binary(min_size=24, max_size=64)
NOW_S = int(datetime.now(UTC).timestamp())
ENTRIES = st.one_of(
    st.sampled_from(
        [
            "<valid>",
            "<valid>",
            "<valid>,",
            "v1,",
            "v1",
            "",
            "v1a,AAAA",
            "v1,%",
            "v1,é",
            "v1,a,b",
            "v2,<valid>",
        ]
    ),
    st.text(max_size=20).map(lambda text: text.replace(" ", "")),
    st.binary(min_size=32, max_size=32).map(lambda raw: "v1," + base64.b64encode(raw).decode()),
)


def svix_accepts(key: bytes, body: bytes, given_headers: dict[str, str]) -> bool:
    try:
        Webhook(key).verify(body, given_headers)
    except (WebhookVerificationError, ValueError):  # its own error, and those it forgets to translate
        return False
    return True


def we_accept(key: bytes, body: bytes, given_headers: dict[str, str]) -> bool:
    try:
        verify(judge_headers(given_headers), body, [Secret("s", key)], now_s=datetime.now(UTC).timestamp())
    except WebhookRejected:
        return False
    return True


@pytest.mark.slow
@given(
    key=KEYS,
    body=st.text(max_size=200),
    entries=st.lists(ENTRIES, max_size=5),
    off_s=st.sampled_from([0, 1, -200, 250, -400, 400, 10**8]),
    family=st.sampled_from(["webhook", "svix", "Webhook", "SVIX"]),
)
@example(key=b"k" * 32, body="{}", entries=["v1,%", "<valid>"], off_s=0, family="svix")
def test_we_accept_what_svix_accepts_and_beyond_that_only_hidden_valid_entries(
    key: bytes, body: str, entries: list[str], off_s: int, family: str
) -> None:
    at = datetime.fromtimestamp(NOW_S + off_s, UTC)
    valid = Webhook(key).sign(ID, at, body)
    signature = " ".join(entry.replace("<valid>", valid) for entry in entries)
    given_headers = headers(family=family, at=NOW_S + off_s, signature=signature)

    ours = we_accept(key, body.encode(), given_headers)
    theirs = svix_accepts(key, body.encode(), given_headers)
    alone = valid in signature.split(" ") and svix_accepts(
        key, body.encode(), headers(family=family, at=NOW_S + off_s, signature=valid)
    )

    assert ours == (theirs or alone)


@pytest.mark.slow
@given(
    given_headers=st.dictionaries(
        st.sampled_from(
            [
                f"{family}-{part}"
                for family in ("webhook", "svix")
                for part in ("id", "timestamp", "signature")
            ]
        ),
        st.one_of(st.text(max_size=60), st.sampled_from([ID, str(AT_S), SIGNATURE, OTHER])),
    ),
    body=st.binary(max_size=60),
    now_s=st.floats(allow_nan=False, allow_infinity=False),
)
def test_nothing_but_webhook_rejected_ever_comes_out(
    given_headers: dict[str, str], body: bytes, now_s: float
) -> None:
    with contextlib.suppress(WebhookRejected):
        verify(judge_headers(given_headers), body, [parse_secret(SECRET)], now_s=now_s)

"""
Is this POST from Recall? The Standard Webhooks scheme as Recall and Svix speak it.

In here: both header families, the signature list, several secrets at once, five minutes of tolerance.
Not in here: sockets, the clock (the caller gives the time), logs, and the meaning of the body.

The libraries' own `verify` is not called: an odd entry in the list makes it raise something else than its
own error and hides a valid signature behind it, it reads the clock, and it takes one secret. What is signed
and how it is compared stays theirs: tests hold every answer given here against `svix.webhooks`.
Stricter than svix on purpose: a plain integer timestamp, an id of harmless characters. Each header family
stands for itself: a relay that signs anew may put a whole set of its own beside the sender's.
Sources: https://docs.recall.ai/docs/authenticating-requests-from-recallai,
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from standardwebhooks.webhooks import hmac_data

# New accounts first. When both families are complete, either may hold.
# https://docs.recall.ai/docs/authenticating-requests-from-recallai
FAMILIES = ("webhook", "svix")
_PARTS = ("id", "timestamp", "signature")
HEADER_NAMES = tuple(f"{family}-{part}" for family in FAMILIES for part in _PARTS)

TOLERANCE_S = 300.0
SIGNATURE_SIZE_BYTES = 32
KEY_SIZE_BYTES = range(24, 65)

# No dot: the dot separates id, time and body in what is signed. No slash: it is no path.
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:=+~@-]{0,199}", re.ASCII)
# Exactly as an integer is written: what was signed and what we read are then the same characters.
_TIMESTAMP = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)
_SECRET = re.compile(r"(?:(?P<label>[A-Za-z0-9_.-]{1,40})=)?(?P<prefix>whsec_)?(?P<key>[A-Za-z0-9+/]+)={0,2}")


class RejectionKind(StrEnum):
    """Why a POST is not taken for Recall's. Each has its own counter and its own remedy."""

    MISSING_HEADERS = "missing_headers"
    MALFORMED = "malformed"
    BAD_SIGNATURE = "bad_signature"
    STALE = "stale"


# What the person on call should do about it. Source: Recall's guide, see the module's docstring.
REMEDIES: Mapping[RejectionKind, str] = {
    RejectionKind.MISSING_HEADERS: (
        "no signature headers: create the workspace verification secret in the Recall dashboard "
        "(Developers > API keys & secrets) and put it into RECALL_WEBHOOK_SECRETS; until one exists "
        "Recall signs nothing. Else this is a stranger"
    ),
    RejectionKind.MALFORMED: "signature headers of a shape Recall does not send; most likely a stranger",
    RejectionKind.BAD_SIGNATURE: (
        "no configured secret made this signature: put both kinds into RECALL_WEBHOOK_SECRETS, separated by "
        "a blank: the workspace verification secret (Recall dashboard, Developers > API keys & secrets) and "
        "the endpoint's own signing secret (Webhooks > the endpoint). A proxy that rewrites bodies has the "
        "same effect"
    ),
    RejectionKind.STALE: (
        "rightly signed, but more than five minutes old or early: set this machine's clock (NTP); "
        "else old deliveries are being replayed"
    ),
}


class WebhookRejected(Exception):
    """Not verified: answer 401, keep nothing. Bears the kind and nothing that was sent."""

    def __init__(self, kind: RejectionKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Secret:
    """One signing secret. `label` may be logged and stored; `key` never leaves this object."""

    label: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """Well-formed signature headers: what the sender says of itself, not yet believed."""

    webhook_id: str
    timestamp_s: int
    signatures: tuple[bytes, ...] = field(repr=False)

    def is_fresh(self, now_s: float) -> bool:
        """Whether it is young enough to be believed."""
        return abs(now_s - self.timestamp_s) <= TOLERANCE_S


@dataclass(frozen=True, slots=True)
class Verified:
    """A claim that holds. `secret_label` names the secret that made the signature."""

    webhook_id: str
    timestamp_s: int
    secret_label: str


def fingerprint_of(key: bytes) -> str:
    """Eight hexadecimal digits of its SHA-256: two keys can be told apart, neither can be read."""
    return hashlib.sha256(key).hexdigest()[:8]


def parse_secret(text: str) -> Secret:
    """
    A secret as written in a setting: `whsec_<base64>` (without a label it is called after its key's
    fingerprint; the prefix and the padding may be missing), or `label=whsec_<base64>`.

    Raises:
        ValueError: Not that form, or not 24 to 64 bytes. The message never shows the value.
    """
    match = _SECRET.fullmatch(text.strip())
    if match is None or (match["label"] and not match["prefix"]):
        raise ValueError("not a webhook secret: expected whsec_ followed by base64, or label=whsec_…")
    encoded = match["key"]
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise ValueError("not a webhook secret: the part after whsec_ is not base64") from None
    if len(key) not in KEY_SIZE_BYTES:
        raise ValueError(f"not a webhook secret: {len(key)} bytes, expected 24 to 64; is it complete?")
    return Secret(label=match["label"] or f"key-{fingerprint_of(key)}", key=key)


def judge_headers(headers: Mapping[str, str]) -> tuple[Claim, ...]:
    """
    The claim of each family of headers (any capitalisation) that makes a well-formed one, `webhook-*` first;
    before a single byte of the body is read. Each has every usable `v1` signature; entries of other versions
    or shapes are passed over.

    Raises:
        WebhookRejected: `missing_headers` or `malformed`, when no family makes a claim.
    """
    lowered = {name.lower(): text for name, text in headers.items()}
    sets = [[lowered.get(f"{family}-{part}", "") for part in _PARTS] for family in FAMILIES]
    complete = [found for found in sets if all(found)]
    if not complete:
        raise WebhookRejected(RejectionKind.MISSING_HEADERS)
    claims = tuple(
        Claim(webhook_id, int(timestamp), signatures)
        for webhook_id, timestamp, signature in complete
        if _ID.fullmatch(webhook_id) and _TIMESTAMP.fullmatch(timestamp)
        if (signatures := tuple(_v1_signatures(signature)))
    )
    if not claims:
        raise WebhookRejected(RejectionKind.MALFORMED)
    return claims


def verify(claims: Iterable[Claim], body: bytes, secrets: Collection[Secret], *, now_s: float) -> Verified:
    """
    The first claim that holds. One HMAC per secret and claim until one fits. `body` is the raw bytes as
    received: parsed and written again they would not verify. `secrets` are all that may sign: during a
    rotation old and new ones do, for up to 24 hours. `now_s` is since the epoch by a real clock: signatures
    bear real time.

    Raises:
        WebhookRejected: `bad_signature`; or `stale` when a signature is right and its time is not,
            which is a wrong clock rather than a forgery.
    """
    kind = RejectionKind.BAD_SIGNATURE
    for claim in claims:
        secret = _signer(claim, body, secrets)
        if secret is not None and claim.is_fresh(now_s):
            return Verified(claim.webhook_id, claim.timestamp_s, secret.label)
        if secret is not None:
            kind = RejectionKind.STALE
    raise WebhookRejected(kind)


def _signer(claim: Claim, body: bytes, secrets: Collection[Secret]) -> Secret | None:
    # Not the library's `sign`: it takes text, and a signed body that is not UTF-8 must be kept, not refused.
    signed = b"%s.%d.%s" % (claim.webhook_id.encode(), claim.timestamp_s, body)
    for secret in secrets:
        expected = hmac_data(secret.key, signed)
        if any(hmac.compare_digest(expected, signature) for signature in claim.signatures):
            return secret
    return None


def _v1_signatures(header: str) -> Iterable[bytes]:
    """Separated by single blanks, each entry `version,base64`; v1a would be Ed25519, not for us."""
    for entry in header.split(" "):
        version, _, encoded = entry.partition(",")
        if version != "v1" or "," in encoded:
            continue
        try:
            signature = base64.b64decode(encoded)  # as leniently as svix, else we would refuse what it takes
        except ValueError:
            continue
        if len(signature) == SIGNATURE_SIZE_BYTES:
            yield signature

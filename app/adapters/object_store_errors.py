"""
What an object store's answer means, and what to do about it. Nothing of the answer but its code is repeated:
an address in it may be signed.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
https://cloud.google.com/storage/docs/xml-api/reference-status,
https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

import re

_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")

_GONE = "the bucket or container is not there (any more): make it again, or correct STORAGE_URL"
_EXPIRED = "the credentials have expired: give new ones, and restart the service"
_UNKNOWN_KEY = "the store does not know these credentials: correct them, and restart the service"
_FORBIDDEN = "these credentials may not list, read, write and delete there: give them the right to all four"
_ELSEWHERE = "the bucket is in another region, or at another endpoint: correct AWS_REGION or AWS_ENDPOINT_URL"
_CLOCK = "this machine's clock is wrong by minutes, and the store refuses what it signs: set it (NTP)"
_FULL = "it is full, or its quota is used up: free some space, or raise the quota"
_KEY = "the encryption key cannot be used: look at it in the key management, and at AWS_SSE_KMS_KEY_ID"
_BUSY = "it is in trouble or asks for patience: it is tried again"

_REMEDIES = {
    **dict.fromkeys(("NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"), _GONE),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"), _EXPIRED),
    **dict.fromkeys(("RequestExpired", "InvalidAuthenticationInfo"), _EXPIRED),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"), _UNKNOWN_KEY),
    **dict.fromkeys(("AuthenticationFailed", "AuthenticationRequired", "InvalidSecurity"), _UNKNOWN_KEY),
    **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "AccountProblem", "InsufficientScope"), _FORBIDDEN),
    **dict.fromkeys(("AuthorizationFailure", "AuthorizationPermissionMismatch"), _FORBIDDEN),
    **dict.fromkeys(("PermanentRedirect", "AuthorizationHeaderMalformed", "InvalidRegion"), _ELSEWHERE),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestInTheFuture"), _CLOCK),
    **dict.fromkeys(("QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "TooManyBuckets"), _FULL),
}
_OF_STATUS = {401: _UNKNOWN_KEY, 403: _FORBIDDEN, 404: _GONE, 301: _ELSEWHERE, 307: _ELSEWHERE, 507: _FULL}
# Where no answer came: of the client's own words, the first that is found.
_UNANSWERED = (
    (
        "BadScheme",
        "its endpoint is http://, which sends transcripts in the clear: use https://, or set {allow}",
    ),
    ("LOCATION", _ELSEWHERE),
    ("dns error", "the name of its endpoint is not known: correct it, or look at this machine's DNS"),
    ("certificate", "its certificate is not trusted: name the authority's file in AWS_CA_BUNDLE"),
    ("CorruptMessage", "its endpoint speaks no TLS: is it http://?"),
    ("TimedOut", "it does not answer in time: look at the network, its host and its load"),
    ("Connect", "nothing answers at its endpoint: look at the network, its host and the address"),
)
# Where a machine is asked for credentials of its own:
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
_METADATA = re.compile(r"//(169\.254\.\d+\.\d+|metadata\.google)")
_NONE_GIVEN = "no credentials are given, and this machine has none of its own: set {names}"
_NAMES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_PROFILE and ~/.aws are not read)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_KEY, or one of the other AZURE_ credentials",
}
_ALLOW = {"s3": "AWS_ALLOW_HTTP=true", "gs": "GOOGLE_ALLOW_HTTP=true", "az": "AZURE_ALLOW_HTTP=true"}


def code_of(error: BaseException | None) -> str | None:
    """The store's own word for it; None where the answer had no body (as to HEAD), or none came."""
    found = _CODE.search(str(error))
    return found[1] if found else None


def status_of(error: BaseException | None) -> int | None:
    """Of the answer; None where none came."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def is_bucket_gone(error: BaseException | None) -> bool:
    """Of an answer 404: it is about the bucket, and about no key in it."""
    return _REMEDIES.get(code_of(error) or "") == _GONE


def is_unconditional(error: BaseException | None) -> bool:
    """The store has no conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""
    return isinstance(error, NotImplementedError) or status_of(error) == 501


def explain(name: str, error: BaseException) -> str:
    """
    For the operator.

    Args:
        name: The address of the store, without anything secret.
    """
    code, status = code_of(error), status_of(error)
    if _METADATA.search(str(error)):
        said = _NONE_GIVEN.format(names=_NAMES[name[:2]])
        return f"the transcript store {name} cannot be used: {said}"
    if code is None and status is None:
        return f"the transcript store {name} cannot be used: {_unanswered(name[:2], str(error))}"
    remedy = _REMEDIES.get(code or "") or (_KEY if (code or "").startswith("KMS.") else None)
    remedy = (
        remedy or _OF_STATUS.get(status or 0) or (_BUSY if status in (None, 429) or status >= 500 else None)
    )
    said = " ".join(str(one) for one in (status, code) if one is not None)
    return (
        f"the transcript store {name} cannot be used ({said}): {remedy or 'look the code up at its vendor'}"
    )


def _unanswered(scheme: str, text: str) -> str:
    given = {"names": _NAMES[scheme], "allow": _ALLOW[scheme]}
    found = (remedy for words, remedy in _UNANSWERED if words in text)
    return next(found, "the connection broke: look at the network").format(**given)

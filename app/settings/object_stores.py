"""
Object stores as settings: their addresses, and which names in the environment are theirs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.recall.url_checks import host_is_loopback

# The vendors' own names; what begins so is read from the environment and `.env` alike.
PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")
_OTHERS = ("SSL_CERT_FILE",)
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_ACCOUNTS = frozenset({"AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"})
_ENDPOINT = re.compile(r"https?://[^/@\s?#]+(/[^?#@\s]*)?")
_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}"
_URL = re.compile(rf"(?P<scheme>s3|gs|az)://[a-z0-9][a-z0-9._-]{{1,220}}[a-z0-9](/{_PART}){{0,20}}/?")
_FORM = "must be s3://bucket/prefix, gs:// or az:// alike: no key, query or blank in it (docs/storage.md)"


def is_object_store(url: str) -> bool:
    """Whether it is meant as one."""
    return url.partition("://")[0].lower() in _ENDPOINTS


def own_names(given: Mapping[str, str]) -> dict[str, str]:
    """What the stores may know of the environment."""
    return {name: value for name, value in given.items() if name.startswith(PREFIXES) or name in _OTHERS}


def endpoint_of(scheme: str, environment: Mapping[str, str]) -> str | None:
    """Where the store is, if not at its vendor's."""
    if scheme == "az" and environment.get("AZURE_STORAGE_USE_EMULATOR", "").lower() in ("1", "true"):
        return "http://127.0.0.1:10000"  # https://learn.microsoft.com/en-us/azure/storage/common/storage-use-azurite
    return next((environment[name] for name in _ENDPOINTS[scheme] if name in environment), None)


def may_be_plain(endpoint: str | None, scheme: str, environment: Mapping[str, str]) -> bool:
    """Whether an `http://` endpoint is taken: on this machine, or where the operator says so."""
    prefix = dict(zip(_ENDPOINTS, PREFIXES, strict=True))[scheme]
    is_allowed = environment.get(f"{prefix}ALLOW_HTTP", "").lower() in ("1", "true")
    return is_allowed or (endpoint is not None and host_is_loopback(endpoint))


def checked(url: str, environment: Mapping[str, str], *, is_isolated: bool) -> str:
    """
    The address without its last slash.

    Raises:
        ValueError: What is wrong with it, or with the endpoint that belongs to it; no value is repeated.
    """
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError(_FORM)
    scheme = found["scheme"]
    endpoint = _endpoint(scheme, environment)
    if is_isolated and not (endpoint and host_is_loopback(endpoint)):
        raise ValueError("this command only ever uses a store on this machine")
    if scheme == "az" and _ACCOUNTS.isdisjoint(environment):
        raise ValueError("AZURE_STORAGE_ACCOUNT_NAME is missing: the name of the storage account")
    return url.rstrip("/")


def _endpoint(scheme: str, environment: Mapping[str, str]) -> str | None:
    endpoint = endpoint_of(scheme, environment)
    if endpoint is None:
        return None
    name = next((name for name in _ENDPOINTS[scheme] if name in environment), "")
    if not _ENDPOINT.fullmatch(endpoint):
        raise ValueError(f"{name} must be an address, as in https://minio.example:9000")
    if endpoint.startswith("http:") and not may_be_plain(endpoint, scheme, environment):
        allow = f"{name.partition('_')[0]}_ALLOW_HTTP=true"
        raise ValueError(f"{name} is http://, which sends transcripts in the clear; use https://, or {allow}")
    return endpoint

"""
What only an object store can do, and every trouble of the way to one: a real server (`moto`) behind a proxy
that fails. Each trouble is a sentence with its remedy, loses nothing, and is over when it is mended.
"""

from __future__ import annotations

import base64
import os
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.adapters import object_store_url
from app.adapters.object_store import WRITE_TRIED_EVERY_S, ObjectBlobs
from app.adapters.object_store_errors import explain
from app.errors import BlobError, BlobMissing, BlobsUnavailable
from tests.contract.blob_files import KEY, content, put_bytes
from tests.doubles.s3_server import (
    BUCKET,
    KEYS,
    Fault,
    FaultyProxy,
    error,
    s3_server,
    share,
)
from tests.process_checks import exit_code_of_a_fork


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def proxy(server: str) -> Iterator[FaultyProxy]:
    with FaultyProxy(server) as proxy:
        yield proxy


def opened(proxy: FaultyProxy, bucket: str = BUCKET, **more: str) -> ObjectBlobs:
    environment = {**KEYS, "AWS_ENDPOINT_URL_S3": proxy.url, **more}
    return object_store_url.from_url(f"s3://{bucket}/{uuid.uuid4()}", environment)


@pytest.fixture
def blobs(proxy: FaultyProxy) -> ObjectBlobs:
    return opened(proxy)


def uses(blobs: ObjectBlobs) -> list[object]:
    return [
        blobs.check,
        lambda: put_bytes(blobs, KEY, b"new"),
        lambda: blobs.open(KEY),
        lambda: blobs.exists(KEY),
        lambda: blobs.sha256(KEY),
        lambda: list(blobs.keys()),
        lambda: blobs.delete(KEY),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (400, "ExpiredToken", "credentials have expired"),
        (403, "RequestTimeTooSkewed", "clock is wrong"),
        (403, "InvalidAccessKeyId", "does not know these credentials"),
        (403, "AccessDenied", "list, read, write and delete"),
        (404, "NoSuchBucket", "bucket or container is not there"),
        (301, "PermanentRedirect", "another region"),
        (403, "QuotaExceeded", "it is full"),
        (400, "KMS.DisabledException", "encryption key"),
        (418, "Teapot", "418 Teapot"),
    ],
)
def test_a_refusal_is_named_with_its_remedy_and_what_was_stored_stays(
    proxy: FaultyProxy, blobs: ObjectBlobs, status: int, code: str, remedy: str
) -> None:
    put_bytes(blobs, KEY, b"old")
    blobs.check()
    proxy.choose = error(status, code)
    for use in uses(blobs):
        with pytest.raises(BlobsUnavailable, match=remedy) as caught:
            use()  # type: ignore[operator]
        assert blobs.name in str(caught.value)
    proxy.choose = None
    assert content(blobs, KEY) == b"old"
    put_bytes(blobs, KEY, b"new")
    blobs.check()
    assert content(blobs, KEY) == b"new"


def test_a_bucket_that_is_not_there_is_no_absent_key(proxy: FaultyProxy) -> None:
    lost = opened(proxy, bucket="lost")
    for use in uses(lost):
        with pytest.raises(BlobsUnavailable, match="bucket or container is not there"):
            use()  # type: ignore[operator]


@pytest.mark.slow
def test_an_upload_cut_in_its_middle_is_repeated_and_never_seen_in_half(
    proxy: FaultyProxy, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(12_000_000))
    put_bytes(blobs, KEY, b"old")
    cut = iter([False, True, False, True])
    proxy.choose = lambda method, path: Fault(is_cut=True) if method == "PUT" and next(cut, False) else None
    blobs.put(KEY, large)
    assert proxy.failed == 2
    assert content(blobs, KEY) == large.read_bytes()


def test_an_answer_that_is_lost_makes_no_second_version_and_no_stranger(
    proxy: FaultyProxy, blobs: ObjectBlobs, tmp_path: Path
) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"mine")
    lost = iter([True])
    proxy.choose = lambda method, path: Fault(is_lost=True) if method == "PUT" and next(lost, False) else None
    assert blobs.create(KEY, source)
    assert proxy.failed == 1


@pytest.mark.slow
def test_a_slow_upload_arrives(proxy: FaultyProxy, blobs: ObjectBlobs) -> None:
    proxy.choose = lambda method, path: Fault(bytes_per_s=400_000)
    put_bytes(blobs, KEY, b"x" * 200_000)
    assert blobs.facts(KEY).size_bytes == 200_000


@pytest.mark.slow
def test_a_store_that_fails_one_request_in_ten_works(proxy: FaultyProxy, blobs: ObjectBlobs) -> None:
    proxy.choose = share(1, 0.1)
    for number in range(24):
        put_bytes(blobs, f"w/r/t/{number}", str(number).encode())
    assert [content(blobs, f"w/r/t/{n}") for n in range(24)] == [str(n).encode() for n in range(24)]
    assert blobs.delete_folder("w/r", first="7") == 24
    assert proxy.failed > 2


def test_a_deletion_that_is_cut_has_taken_the_manifests(proxy: FaultyProxy, blobs: ObjectBlobs) -> None:
    for key in ("w/r/t/a", "w/r/t/manifest.json", "w/r/u/manifest.json", "w/r/u/b"):
        put_bytes(blobs, key, b"x")
    deletions = iter([None, Fault(403, "AccessDenied")])
    proxy.choose = lambda method, path: next(deletions) if method == "POST" else None
    with pytest.raises(BlobsUnavailable):
        blobs.delete_folder("w/r", first="manifest.json")
    proxy.choose = None
    assert list(blobs.keys()) == ["w/r/t/a", "w/r/u/b"]
    assert blobs.delete_folder("w/r", first="manifest.json") == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("endpoint", "remedy"),
    [
        ("http://127.0.0.1:1", "nothing answers"),
        ("https://name.invalid", "DNS"),
    ],
)
def test_no_answer_at_all_is_named_soon_by_the_probe(endpoint: str, remedy: str) -> None:
    away = object_store_url.from_url(f"s3://{BUCKET}", {**KEYS, "AWS_ENDPOINT_URL_S3": endpoint})
    began = time.monotonic()
    with pytest.raises(BlobsUnavailable, match=remedy):
        away.check()
    assert time.monotonic() - began < 8


def test_files_have_their_media_type_name_and_encryption(proxy: FaultyProxy, tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"WEBVTT")
    encrypted = opened(proxy, AWS_SERVER_SIDE_ENCRYPTION="aws:kms", AWS_SSE_KMS_KEY_ID="key-1")
    encrypted.put("w/r/t/transcript.vtt", source, media_type="text/vtt; charset=utf-8")
    url = encrypted.signed_url("w/r/t/transcript.vtt", expires_s=60)
    with urllib.request.urlopen(url or "", timeout=5) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["content-type"] == "text/vtt; charset=utf-8"
    assert headers["content-disposition"] == 'attachment; filename="transcript.vtt"'
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"


def test_a_signed_address_reads_the_file_without_a_key(blobs: ObjectBlobs) -> None:
    put_bytes(blobs, KEY, b"for all")
    url = blobs.signed_url(KEY, expires_s=60)
    assert url is not None
    assert "X-Amz-Expires=60" in url
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert answer.read() == b"for all"


def test_path_style_and_endpoint_are_as_given(proxy: FaultyProxy) -> None:
    put_bytes(opened(proxy), "w/x", b"x")
    assert proxy.asked[-1][1].startswith(f"/{BUCKET}/")
    own_host = opened(proxy, AWS_VIRTUAL_HOSTED_STYLE_REQUEST="true")
    with pytest.raises(BlobsUnavailable):  # moto takes the first part for the bucket
        put_bytes(own_host, "w/x", b"x")
    assert not proxy.asked[-1][1].startswith(f"/{BUCKET}/")


def test_a_store_without_conditional_writes_is_asked_first(proxy: FaultyProxy, tmp_path: Path) -> None:
    source = tmp_path / "x"
    source.write_bytes(b"x")
    plain = opened(proxy, AWS_CONDITIONAL_PUT="disabled")
    assert plain.create(KEY, source)
    assert plain.create(KEY, source)
    source.write_bytes(b"y")
    assert not plain.create(KEY, source)
    assert content(plain, KEY) == b"x"


def test_the_probe_writes_now_and_then_and_reads_in_between(proxy: FaultyProxy) -> None:
    now = [0.0]
    blobs = opened(proxy)
    blobs._monotonic = lambda: now[0]
    blobs.check()
    proxy.asked.clear()
    now[0] += 1
    blobs.check()
    assert [method for method, _ in proxy.asked] == ["GET"]
    proxy.choose = error(403, "AccessDenied")
    with pytest.raises(BlobsUnavailable):
        blobs.check()
    proxy.choose = None
    proxy.asked.clear()
    blobs.check()  # a failure is mended when a write works again
    now[0] += WRITE_TRIED_EVERY_S
    blobs.check()
    assert [method for method, _ in proxy.asked] == ["PUT", "POST", "PUT", "POST"]


def test_a_child_forked_after_the_first_use_is_told_so_instead_of_hanging(blobs: ObjectBlobs) -> None:
    blobs.exists(KEY)

    def child() -> None:
        with pytest.raises(RuntimeError):
            blobs.exists(KEY)

    assert exit_code_of_a_fork(child) == 0


_AZURE = {"AZURE_STORAGE_ACCOUNT_NAME": "name"}


@pytest.mark.parametrize(
    ("url", "environment", "fault"),
    [
        ("s3://b-1/p", {"AWS_SERVER_SIDE_ENCRYPTION": "rot13"}, "rot13"),
        ("az://b-1/p", {**_AZURE, "AZURE_STORAGE_ACCOUNT_KEY": "no base 64: secret"}, "names"),
        ("s3://b-1/p", {"AWS_CA_BUNDLE": "/nowhere/ca.pem"}, "AWS_CA_BUNDLE"),
        ("gs://b-1/p", {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"}, "names"),
    ],
)
def test_a_wrong_setting_of_a_store_is_said_at_once_and_no_secret(
    url: str, environment: dict[str, str], fault: str
) -> None:
    with pytest.raises(BlobError, match=fault) as caught:
        object_store_url.from_url(url, environment)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "environment", "status", "code", "remedy"),
    [
        (
            "gs",
            {"GOOGLE_BEARER_TOKEN": "t"},
            401,
            "AuthenticationRequired",
            "does not know these credentials",
        ),
        ("gs", {"GOOGLE_BEARER_TOKEN": "t"}, 404, "NoSuchBucket", "bucket or container is not there"),
        ("az", {**_AZURE, "AZURE_STORAGE_TOKEN": "t"}, 403, "AuthorizationFailure", "list, read, write"),
        ("az", {**_AZURE, "AZURE_STORAGE_TOKEN": "t"}, 404, "ContainerNotFound", "bucket or container"),
        (
            "az",
            {**_AZURE, "AZURE_STORAGE_SAS_TOKEN": "sig=s3cret"},
            403,
            "AuthenticationFailed",
            "does not know",
        ),
    ],
)
def test_google_and_azure_are_understood_likewise(
    proxy: FaultyProxy, url: str, environment: dict[str, str], status: int, code: str, remedy: str
) -> None:
    proxy.choose = error(status, code)
    endpoint = {"gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}[url]
    store = object_store_url.from_url(f"{url}://bucket/p", {**environment, endpoint: proxy.url})
    for use in uses(store):
        with pytest.raises(BlobsUnavailable, match=remedy) as caught:
            use()  # type: ignore[operator]
        assert "s3cret" not in str(caught.value)
    proxy.choose = error(404, "NoSuchKey" if url == "gs" else "BlobNotFound")
    with pytest.raises(BlobMissing):
        store.open(KEY)
    store.delete(KEY)


def test_credentials_that_cannot_sign_give_no_address(proxy: FaultyProxy) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    signs = {**_AZURE, "AZURE_STORAGE_ACCOUNT_KEY": key, "AZURE_STORAGE_ENDPOINT": proxy.url}
    url = object_store_url.from_url("az://bucket/p", signs).signed_url(KEY, expires_s=60)
    assert url is not None
    assert "sig=" in url
    proxy.choose = error(403, "AuthorizationFailure")
    for more in ({"AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=x"}, {"AZURE_STORAGE_TOKEN": "t"}):
        cannot = {**_AZURE, "AZURE_STORAGE_ENDPOINT": proxy.url, **more}
        assert object_store_url.from_url("az://bucket/p", cannot).signed_url(KEY, expires_s=60) is None


@pytest.mark.slow
def test_missing_credentials_are_named_and_not_the_machines_address() -> None:
    asked = "Error performing PUT http://169.254.169.254/latest/api/token - Server returned"
    said = explain("s3://bucket", RuntimeError(f"{asked} non-2xx status code: 403"))
    assert "no credentials are given" in said
    assert "169" not in said

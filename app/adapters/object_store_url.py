"""
`s3://bucket/prefix`, `gs://…`, `az://…`: a store by its address, and by the vendors' own names in the
environment. The names that count are those of docs/storage.md.

Source: https://developmentseed.org/obstore/latest/api/store/aws/ (and gcs, azure)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.adapters.object_store import ObjectBlobs
from app.errors import BlobError
from app.settings.object_stores import endpoint_of, may_be_plain

# Everything else that begins so is for other programs: obstore refuses a name that it does not know.
_NAMES = {
    "s3": (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SKIP_SIGNATURE"),
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        *("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_CONDITIONAL_PUT", "AWS_CHECKSUM_ALGORITHM"),
        *("AWS_SERVER_SIDE_ENCRYPTION", "AWS_SSE_KMS_KEY_ID", "AWS_SSE_BUCKET_KEY_ENABLED"),
        *("AWS_SSE_CUSTOMER_KEY_BASE64", "AWS_DISABLE_BULK_DELETE", "AWS_UNSIGNED_PAYLOAD"),
        *("AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL_STS"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        *("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_METADATA_ENDPOINT", "AWS_IMDSV1_FALLBACK"),
    ),
    "gs": (
        *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_KEY"),
        *("GOOGLE_BASE_URL", "GOOGLE_BEARER_TOKEN", "GOOGLE_SKIP_SIGNATURE"),
    ),
    "az": (
        *("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"),
        *("AZURE_STORAGE_TOKEN", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"),
        *("AZURE_AUTHORITY_HOST", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_MSI_ENDPOINT", "AZURE_OBJECT_ID"),
        *("AZURE_MSI_RESOURCE_ID", "AZURE_USE_AZURE_CLI", "AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        *("AZURE_STORAGE_USE_EMULATOR", "AZURE_SKIP_SIGNATURE"),
    ),
}
_SECRET = re.compile("KEY|TOKEN|SECRET")
_CERTIFICATES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")


def from_url(url: str, environment: Mapping[str, str]) -> ObjectBlobs:
    """
    Connects to nothing.

    Args:
        url: Without a trailing slash, as `app.settings.values.storage_url` leaves it.

    Raises:
        BlobError: What is wrong in the environment, without a value of it.
    """
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    made_by: Any = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}[scheme]
    given = {name: environment[name] for name in _NAMES[scheme] if name in environment}
    client = _client_options(scheme, environment)

    def connect(*, client_options: Mapping[str, Any], retry_config: Mapping[str, Any]) -> Any:
        return made_by(
            bucket,
            prefix=prefix or None,
            config={name.lower(): value for name, value in given.items()},
            client_options={**client_options, **client},
            retry_config=retry_config,
        )

    try:
        return ObjectBlobs(url, connect)
    except (BaseError, ValueError) as error:
        said = str(error).partition("\n")[0]
        hidden = any(value in said for name, value in given.items() if _SECRET.search(name))
        why = "one of the store's own settings in the environment is wrong" if hidden else said
        raise BlobError(f"STORAGE_URL: {url} cannot be used: {why} (docs/storage.md has the names)") from None


def _client_options(scheme: str, environment: Mapping[str, str]) -> dict[str, Any]:
    is_plain = may_be_plain(endpoint_of(scheme, environment), scheme, environment)
    options: dict[str, Any] = {"allow_http": is_plain}
    for name in _CERTIFICATES:
        if path := environment.get(name):
            try:
                options["root_certificate"] = Path(path).expanduser().read_bytes()
            except OSError as error:
                raise BlobError(f"{name}: the file cannot be read ({error.strerror})") from None
            break
    return options

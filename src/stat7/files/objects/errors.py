"""The one place where errors of the client libraries for object storage become errors of stat7.

Their texts are never passed on: they hold whole answers of servers, with key names, addresses and signatures. What a
person needs of them, status, code and kind of failure, is taken out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from stat7.errors import ConfigError, Stat7Error, StoreFull, Unavailable

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>|\"reason\": \"([A-Za-z]{1,60})\"")
_KIND = re.compile(r"kind: (Connect|Timeout|Interrupted|Decode|Request|Body|Unknown)\b")
_REQUEST_TO = re.compile(r"Error performing [A-Z]+ (\S+)")
_NO_CREDENTIALS = re.compile(r"https?://(169\.254\.|\[fd00:ec2|metadata\.google)|/oauth2/|//sts\.|/metadata/identity")
_CERTIFICATE = re.compile(r"certificate|UnknownIssuer|handshake", re.IGNORECASE)

_KINDS: Final = {
    "Connect": "it can't be reached",
    "Timeout": "it did not answer in time",
    "Interrupted": "the connection broke off",
    "Body": "the connection broke off",
}
_ADVICE: Final = "check the network and the server, then try again"
_CREDENTIALS: Final = "set credentials, as docs/backends.md says, that may read, write, list and delete there"

_CLOCK: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_FULL: Final = frozenset(
    {"QuotaExceeded", "QuotaExceededException", "StorageFull", "XMinioStorageFull", "InsufficientCapacity", "DiskFull"}
)
_REJECTED: Final = frozenset(
    {"ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed",
     "TokenRefreshRequired", "InvalidAuthenticationInfo", "AuthenticationFailed", "authError", "XAdminUserNotFound"}
)  # fmt: skip
_ELSEWHERE: Final = frozenset({"PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException"})


class Cause(NamedTuple):
    """What could be made out of a library's error; `status` is 0 and the texts are empty where nothing was found."""

    status: int
    """HTTP status of the answer."""
    code: str
    """The service's own name for it, such as NoSuchBucket."""
    text: str
    """What was raised, to look into; never shown."""


Translation = Callable[[str, Cause], Stat7Error]


def _answered(place: str, cause: Cause) -> Stat7Error:
    """By the status and code of the answer; without one, by how the request failed."""
    shown = f"{cause.status} {cause.code}".strip() if cause.status else ""
    if cause.code in _FULL or cause.status == 507:
        return StoreFull(f"{place}: the server has no room left ({shown}); free some, or raise the quota")
    if cause.code in _CLOCK:
        return ConfigError(f"{place}: this machine's clock differs from the server's ({shown}); set it")
    if _NO_CREDENTIALS.search(_request_to(cause.text)):
        return _unknown(place, cause)
    if cause.code in _REJECTED or cause.status in (401, 403):
        return _denied(place, cause)
    if cause.code in _ELSEWHERE or cause.status in (301, 307, 308):
        return ConfigError(f"{place}: the bucket is in another region or at another address ({shown}); set region=")
    if cause.status == 404:
        return _missing(place, cause)
    if cause.status in (400, 405, 411, 501):
        return _refused(place, cause)
    return _failed(place, cause)


def _failed(place: str, cause: Cause) -> Stat7Error:
    if cause.status:
        shown = f"{cause.status} {cause.code}".strip()
        return Unavailable(f"{place}: the server answered {shown}, again and again; try again later")
    if _CERTIFICATE.search(cause.text):
        return _untrusted(place, cause)
    found = _KIND.search(cause.text)
    return Unavailable(f"{place}: {_KINDS.get(found[1] if found else '', 'the request failed')}; {_ADVICE}")


def _unreached(place: str, cause: Cause) -> Stat7Error:
    return Unavailable(f"{place}: {_KINDS['Connect']}; {_ADVICE}")


def _timed_out(place: str, cause: Cause) -> Stat7Error:
    return Unavailable(f"{place}: {_KINDS['Timeout']}; {_ADVICE}")


def _broken_off(place: str, cause: Cause) -> Stat7Error:
    return Unavailable(f"{place}: {_KINDS['Body']}; {_ADVICE}")


def _unfit(place: str, cause: Cause) -> Stat7Error:
    return Unavailable(f"{place}: what arrived is not what was sent; {_ADVICE}")


def _raced(place: str, cause: Cause) -> Stat7Error:
    return Unavailable(f"{place}: others write the same object at this moment; try again")


def _untrusted(place: str, cause: Cause) -> Stat7Error:
    return ConfigError(f"{place}: its TLS certificate is not accepted; correct endpoint=, or let it be trusted here")


def _missing(place: str, cause: Cause) -> Stat7Error:
    return ConfigError(
        f"{place}: the server knows no such bucket, or not these credentials; create it, or correct the URL or them"
    )


def _denied(place: str, cause: Cause) -> Stat7Error:
    shown = f" ({cause.code})" if cause.code else ""
    return ConfigError(f"{place}: the server refuses these credentials{shown}; {_CREDENTIALS}")


def _unknown(place: str, cause: Cause) -> Stat7Error:
    return ConfigError(f"{place}: no usable credentials were found; {_CREDENTIALS}")


def _refused(place: str, cause: Cause) -> Stat7Error:
    shown = f"{cause.status or ''} {cause.code}".strip() or "it does not support it"
    return ConfigError(
        f"{place}: the server can't do what is asked of it ({shown}); check the URL's options, or update the server"
    )


def _misused(place: str, cause: Cause) -> Stat7Error:
    return ConfigError(f"{place}: the client library refuses the URL or its options; correct them, or update it")


_OBSTORE: Final[dict[str, Translation]] = {
    "BaseError": _answered,
    "GenericError": _answered,
    "JoinError": _failed,
    "NotFoundError": _missing,
    "PermissionDeniedError": _answered,
    "UnauthenticatedError": _answered,
    "AlreadyExistsError": _raced,
    "PreconditionError": _raced,
    "NotModifiedError": _raced,
    "NotSupportedError": _refused,
    "InvalidPathError": _misused,
    "UnknownConfigurationKeyError": _misused,
}


def _names(text: str, rule: Translation) -> dict[str, Translation]:
    return dict.fromkeys(text.split(), rule)


_GOOGLE: Final[dict[str, Translation]] = {
    **_names("GoogleAPIError GoogleAPICallError ClientError ServerError Redirection Unknown", _answered),
    **_names("BadRequest InvalidArgument OutOfRange LengthRequired RequestRangeNotSatisfiable Cancelled", _answered),
    **_names("MethodNotAllowed MethodNotImplemented MovedPermanently TemporaryRedirect ResumeIncomplete", _answered),
    **_names("Forbidden PermissionDenied Unauthenticated Unauthorized ResourceExhausted TooManyRequests", _answered),
    **_names("InternalServerError BadGateway ServiceUnavailable GatewayTimeout", _answered),
    **_names("NotFound", _missing),
    **_names("Aborted AlreadyExists Conflict FailedPrecondition NotModified PreconditionFailed", _raced),
    **_names("DeadlineExceeded RetryError", _timed_out),
    **_names("DataLoss", _unfit),
    **_names("MissingStatusHeaderError ResumableTransferError TransferStalledError", _broken_off),
    **_names("UnseekableStreamError UploadCancelledError", _broken_off),
    **_names("AsyncRestUnsupportedParameterError DuplicateCredentialArgs", _misused),
}
_GOOGLE_AUTH: Final[dict[str, Translation]] = {
    **_names("GoogleAuthError DefaultCredentialsError ClientCertError MutualTLSChannelError MalformedError", _unknown),
    **_names("InvalidOperation InvalidResource InvalidType InvalidValue OAuthError OSError", _unknown),
    **_names("RefreshError ReauthFailError ReauthSamlChallengeFailError ResponseError UserAccessTokenError", _unknown),
    **_names("TimeoutError", _timed_out),
    **_names("TransportError", _unreached),
}
_REQUESTS: Final[dict[str, Translation]] = {
    **_names("RequestException HTTPError RetryError TooManyRedirects", _failed),
    **_names("ConnectionError ProxyError", _unreached),
    **_names("Timeout ConnectTimeout ReadTimeout", _timed_out),
    **_names("ChunkedEncodingError StreamConsumedError UnrewindableBodyError", _broken_off),
    **_names("ContentDecodingError InvalidJSONError JSONDecodeError", _unfit),
    **_names("SSLError", _untrusted),
    **_names("InvalidHeader InvalidProxyURL InvalidSchema InvalidURL MissingSchema URLRequired", _misused),
}
_STORAGE: Final[dict[str, Translation]] = {
    "DataCorruption": _unfit,
    "InvalidResponse": _answered,
    "InvalidPathError": _misused,
}
TRANSLATIONS: Final[Mapping[str, Translation]] = {
    # By names, so that nothing need be imported.
    **{f"obstore.exceptions.{name}": rule for name, rule in _OBSTORE.items()},
    **{f"google.api_core.exceptions.{name}": rule for name, rule in _GOOGLE.items()},
    **{f"google.auth.exceptions.{name}": rule for name, rule in _GOOGLE_AUTH.items()},
    **{f"requests.exceptions.{name}": rule for name, rule in _REQUESTS.items()},
    **{f"google.cloud.storage.exceptions.{name}": rule for name, rule in _STORAGE.items()},
    # What the libraries let through of their own foundations.
    "builtins.FileNotFoundError": _missing,
    "builtins.ConnectionError": _broken_off,
    "builtins.TimeoutError": _timed_out,
    "builtins.ValueError": _misused,
    "urllib3.exceptions.HTTPError": _broken_off,
}
"""What becomes of an error, by the name of its class. obstore says most things with GenericError, in its text alone."""


def translated(error: BaseException, place: str) -> Stat7Error | None:
    """The stat7 error for one of a client library's; None for what comes from elsewhere.

    A class that a later library adds is treated like its nearest known ancestor.
    """
    for kind in type(error).__mro__:
        rule = TRANSLATIONS.get(f"{kind.__module__}.{kind.__qualname__}")
        if rule is not None:
            return rule(place, _cause(error))
    return None


@contextmanager
def translating(place: str) -> Iterator[None]:
    """Raise what the client libraries raise in the block as `translated` says; all else as it is."""
    try:
        yield
    except Exception as error:
        known = translated(error, place)
        if known is None:
            raise
        # Without the cause: its text holds answers of the server, names of keys and signatures.
        raise known from None


def status_of(error: Exception) -> int:
    """The HTTP status of the answer that an error of obstore speaks of, 0 if there was none."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else 0


def is_beyond_the_end(error: Exception) -> bool:
    """Whether an error of obstore says that a range begins where the object has ended."""
    return status_of(error) == 416 or "InvalidRangeRequest" in str(error)


def _cause(error: BaseException) -> Cause:
    text = str(error)
    code = getattr(error, "code", None)
    status = int(code) if isinstance(code, int) else status_of(error) if isinstance(error, Exception) else 0
    found = _CODE.search(text)
    return Cause(status, (found[1] or found[2]) if found else "", text)


def _request_to(text: str) -> str:
    found = _REQUEST_TO.search(text)
    return found[1] if found else ""

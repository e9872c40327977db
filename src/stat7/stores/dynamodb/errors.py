"""The one place where errors of boto3, botocore and DynamoDB become those of stat7.

The service names each error by a code. Of single statements in a batch the codes are spelt otherwise, so both are here.
What boto3 raises by itself goes by its class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from botocore import exceptions as bc
from botocore.parsers import ResponseParserError

from stat7.errors import ConfigError, Stat7Error, StoreFull, Unavailable

Translation: TypeAlias = Callable[[str, str], Stat7Error]
"""Makes the error to raise from the table and the message."""


def _busy(table: str, message: str) -> Stat7Error:
    advice = "try again later, write with fewer processes, or raise the table's limits"
    return Unavailable(f"DynamoDB refuses requests to {table} for being too many ({message}); {advice}")


def _lost(table: str, message: str) -> Stat7Error:
    return Unavailable(f"can't reach DynamoDB for {table} ({message}); check region and endpoint, and try again")


def _failed(table: str, message: str) -> Stat7Error:
    return Unavailable(f"DynamoDB failed over {table} ({message}); try again")


def _raced(table: str, message: str) -> Stat7Error:
    return Unavailable(f"others write the same in {table} ({message}); try again")


def _changing(table: str, message: str) -> Stat7Error:
    return Unavailable(f"the table {table} is being made, changed or removed ({message}); try again soon")


def _full(table: str, message: str) -> Stat7Error:
    return StoreFull(
        f"a limit of DynamoDB is reached in {table} ({message}); nothing of it was stored, raise the limit"
    )


def _absent(table: str, message: str) -> Stat7Error:
    advice = "make it with `stat7 init`, or correct the table, region or endpoint in the URL"
    return ConfigError(f"there is no table {table} as stat7 makes them ({message}); {advice}")


def _unauthenticated(table: str, message: str) -> Stat7Error:
    advice = (
        "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN or the profile, and this machine's clock"
    )
    return ConfigError(f"DynamoDB refused the credentials for {table} ({message}); {advice}")


def _forbidden(table: str, message: str) -> Stat7Error:
    advice = "allow it by a policy; PartiQLInsert, PartiQLUpdate and PartiQLDelete are needed too"
    return ConfigError(f"DynamoDB forbids it for {table} ({message}); {advice}")


def _unset(table: str, message: str) -> Stat7Error:
    advice = "set AWS_REGION, credentials and profile, or region= and endpoint= in the URL"
    return ConfigError(f"boto3 can't be used for {table} as it is configured ({message}); {advice}")


def _misused(table: str, message: str) -> Stat7Error:
    advice = "is the table one that stat7 made? Update stat7, or report it as a bug"
    return ConfigError(f"DynamoDB refused a request for {table} ({message}); {advice}")


CODES: Final[dict[str, Translation]] = {
    # Busy: nothing was done, the same again may succeed.
    "LimitExceededException": _busy,
    "PriorRequestNotComplete": _busy,
    "ProvisionedThroughputExceeded": _busy,
    "ProvisionedThroughputExceededException": _busy,
    "RequestLimitExceeded": _busy,
    "SlowDown": _busy,
    "Throttling": _busy,
    "ThrottlingError": _busy,
    "ThrottlingException": _busy,
    "TooManyRequestsException": _busy,
    # Failed, perhaps after it was done.
    "InternalFailure": _failed,
    "InternalServerError": _failed,
    "ServiceUnavailable": _failed,
    "ServiceUnavailableException": _failed,
    # Others at the same item.
    "ConditionalCheckFailed": _raced,
    "ConditionalCheckFailedException": _raced,
    "DuplicateItem": _raced,
    "DuplicateItemException": _raced,
    "IdempotentParameterMismatchException": _raced,
    "ReplicatedWriteConflictException": _raced,
    "TransactionCanceledException": _raced,
    "TransactionConflict": _raced,
    "TransactionConflictException": _raced,
    "TransactionInProgressException": _raced,
    # The table.
    "BackupInUseException": _changing,
    "BackupNotFoundException": _misused,
    "ContinuousBackupsUnavailableException": _changing,
    "ExportConflictException": _changing,
    "ExportNotFoundException": _misused,
    "GlobalTableAlreadyExistsException": _changing,
    "GlobalTableNotFoundException": _absent,
    "ImportConflictException": _changing,
    "ImportNotFoundException": _misused,
    "IndexNotFoundException": _absent,
    "InvalidExportTimeException": _misused,
    "InvalidRestoreTimeException": _misused,
    "ItemCollectionSizeLimitExceeded": _full,
    "ItemCollectionSizeLimitExceededException": _full,
    "PointInTimeRecoveryUnavailableException": _misused,
    "PolicyNotFoundException": _misused,
    "ReplicaAlreadyExistsException": _changing,
    "ReplicaNotFoundException": _absent,
    "ResourceInUseException": _changing,
    "ResourceNotFound": _absent,
    "ResourceNotFoundException": _absent,
    "TableAlreadyExistsException": _changing,
    "TableInUseException": _changing,
    "TableNotFoundException": _absent,
    # Who asks.
    "AccessDenied": _forbidden,
    "AccessDeniedException": _forbidden,
    "ExpiredToken": _unauthenticated,
    "ExpiredTokenException": _unauthenticated,
    "IncompleteSignature": _unauthenticated,
    "IncompleteSignatureException": _unauthenticated,
    "InvalidClientTokenId": _unauthenticated,
    "InvalidSignatureException": _unauthenticated,
    "KMSAccessDeniedException": _forbidden,
    "MissingAuthenticationToken": _unauthenticated,
    "MissingAuthenticationTokenException": _unauthenticated,
    "NotAuthorized": _forbidden,
    "OptInRequired": _forbidden,
    "RequestExpired": _unauthenticated,
    "SignatureDoesNotMatch": _unauthenticated,
    "UnrecognizedClientException": _unauthenticated,
    # What was asked.
    "SerializationException": _misused,
    "UnknownOperationException": _misused,
    "ValidationError": _misused,
    "ValidationException": _misused,
}
"""Translations by the service's codes."""

KINDS: Final[dict[type[Exception], Translation]] = {
    bc.ConnectionError: _lost,
    bc.HTTPClientError: _lost,
    bc.IncompleteReadError: _lost,
    ResponseParserError: _lost,
    bc.ChecksumError: _lost,
    bc.MetadataRetrievalError: _lost,
    bc.CapacityNotAvailableError: _busy,
    bc.WaiterError: _changing,
    bc.InvalidRegionError: _unset,
    bc.ParamValidationError: _misused,
    bc.UndefinedModelAttributeError: _misused,
    bc.ValidationError: _misused,
    bc.OperationNotPageableError: _misused,
    bc.PaginationError: _misused,
    bc.NoCredentialsError: _unauthenticated,
    bc.PartialCredentialsError: _unauthenticated,
    bc.CredentialRetrievalError: _unauthenticated,
    bc.UnauthorizedSSOTokenError: _unauthenticated,
    bc.SSOError: _unauthenticated,
    bc.TokenRetrievalError: _unauthenticated,
    bc.LoginError: _unauthenticated,
    bc.NoAuthTokenError: _unauthenticated,
    bc.RefreshWithMFAUnsupportedError: _unauthenticated,
    bc.BotoCoreError: _unset,
}
"""Translations of what botocore raises by itself, by its classes."""

RAISED: Final = (bc.ClientError, *KINDS)
"""Every class of error that a call of boto3 may raise."""

REPEATABLE: Final = frozenset(code for code, told in CODES.items() if told in (_busy, _failed)) | {
    "ReplicatedWriteConflictException", "TransactionConflict", "TransactionConflictException",
    "TransactionInProgressException",
}  # fmt: skip
"""Codes after which the same request may succeed."""

UNDONE: Final = frozenset(code for code, told in CODES.items() if told is _busy)
"""Codes of these that say that nothing was done."""

CONDITION: Final = frozenset(
    ("ConditionalCheckFailed", "ConditionalCheckFailedException", "DuplicateItem", "DuplicateItemException")
)
"""Codes of a conditional write that was not made."""

ABSENT: Final = frozenset(("ResourceNotFound", "ResourceNotFoundException", "TableNotFoundException"))
"""Codes that say there is no such table."""


def code_of(error: Exception) -> str:
    """The service's code of an error, "" for one that boto3 raised by itself."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, bc.ClientError) else ""


def is_repeatable(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, bc.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return code_of(error) in REPEATABLE or status >= 500
    return _kind(error) in (_lost, _busy)


def translated(error: Exception, table: str) -> Stat7Error:
    """The stat7 error for one of boto3's."""
    if not isinstance(error, bc.ClientError):
        return _kind(error)(table, _line(str(error) or type(error).__name__))
    code, message = code_of(error), str(error.response.get("Error", {}).get("Message", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    told = CODES.get(code, _failed if status >= 500 else _misused)
    return told(table, _line(f"{code}: {message}" if message else code))


def refused(code: str, message: str, table: str) -> Stat7Error:
    """The stat7 error for one statement of a batch that was refused."""
    return CODES.get(code, _failed)(table, _line(f"{code}: {message}" if message else code))


def unprocessed(table: str) -> Stat7Error:
    """The stat7 error for items of a batch that the service goes on leaving undone."""
    return _busy(table, "items of a batch were left undone again and again")


def _kind(error: Exception) -> Translation:
    return next(KINDS[kind] for kind in type(error).__mro__ if kind in KINDS)


def _line(text: str) -> str:
    return " ".join(text.split())[:300] or "no message"

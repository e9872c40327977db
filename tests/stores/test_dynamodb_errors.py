"""Every error of boto3 and DynamoDB becomes one of stat7, a line that says where and what to do."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from stat7.errors import ConfigError, Stat7Error, StoreFull, Unavailable

boto3 = pytest.importorskip("boto3")

from botocore import exceptions as bc  # noqa: E402
from botocore.parsers import ResponseParserError  # noqa: E402
from botocore.session import get_session  # noqa: E402

from stat7.stores.dynamodb.errors import (  # noqa: E402
    CODES,
    CONDITION,
    KINDS,
    RAISED,
    REPEATABLE,
    code_of,
    is_repeatable,
    refused,
    translated,
    unprocessed,
)

WHERE = "library at eu-central-1"
CLASSES = sorted(
    {
        kind
        for _, kind in inspect.getmembers(bc, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning)
    },
    key=lambda kind: kind.__name__,
)


def _model() -> Any:
    return get_session().get_service_model("dynamodb")


def _told(code: str, message: str = "some\nmessage", status: int = 400) -> bc.ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return bc.ClientError(answer, "PutItem")


def _made(kind: type[Exception]) -> Exception:
    """An error of this class, made without asking what its text needs."""
    error = kind.__new__(kind)
    Exception.__init__(error, "some\nmessage")
    return error


def test_every_error_of_the_services_model_has_its_translation() -> None:
    codes = {shape.name for shape in _model().error_shapes}
    assert len(codes) > 30
    assert codes - set(CODES) == set()


def test_every_code_of_a_statement_in_a_batch_has_its_translation() -> None:
    codes = set(_model().shape_for("BatchStatementErrorCodeEnum").enum)
    assert len(codes) > 10
    assert codes - set(CODES) == set()


def test_every_class_of_botocore_is_caught_and_translated() -> None:
    assert len(CLASSES) > 80
    for kind in CLASSES:
        assert issubclass(kind, RAISED), kind
        if not issubclass(kind, bc.ClientError):
            text = str(translated(_made(kind), WHERE))
            assert WHERE in text
            assert len(text.splitlines()) == 1


def test_what_says_connection_or_timeout_is_unavailable_and_repeated() -> None:
    named = [kind for kind in CLASSES if any(word in kind.__name__ for word in ("Timeout", "Connection", "HTTPClient"))]
    assert len(named) >= 6
    for kind in [*named, ResponseParserError, bc.SSLError]:
        assert isinstance(translated(_made(kind), WHERE), Unavailable), kind
        assert is_repeatable(_made(kind)), kind


def test_translations_are_one_line_that_names_the_table() -> None:
    for code in CODES:
        for error in (translated(_told(code), WHERE), refused(code, "some\nmessage", WHERE)):
            assert WHERE in str(error)
            assert len(str(error).splitlines()) == 1
    assert WHERE in str(unprocessed(WHERE))


@pytest.mark.parametrize(
    ("code", "expected", "advice"),
    [
        ("ProvisionedThroughputExceededException", Unavailable, "try again"),
        ("ThrottlingException", Unavailable, "try again"),
        ("RequestLimitExceeded", Unavailable, "try again"),
        ("InternalServerError", Unavailable, "try again"),
        ("ResourceInUseException", Unavailable, "try again"),
        ("TransactionConflictException", Unavailable, "try again"),
        ("ItemCollectionSizeLimitExceededException", StoreFull, "limit"),
        ("ResourceNotFoundException", ConfigError, "stat7 init"),
        ("AccessDeniedException", ConfigError, "PartiQLInsert"),
        ("UnrecognizedClientException", ConfigError, "AWS_ACCESS_KEY_ID"),
        ("InvalidSignatureException", ConfigError, "clock"),
        ("ValidationException", ConfigError, "bug"),
        ("SomethingNobodyKnows", ConfigError, "bug"),
    ],
)
def test_each_says_what_to_do(code: str, expected: type[Stat7Error], advice: str) -> None:
    error = translated(_told(code), WHERE)
    assert type(error) is expected
    assert advice in str(error)
    assert code_of(_told(code)) == code


def test_unknown_failures_of_the_service_are_unavailable_and_repeated() -> None:
    error = _told("SomethingNobodyKnows", status=503)
    assert type(translated(error, WHERE)) is Unavailable
    assert is_repeatable(error)


def test_conditions_and_wrong_requests_are_not_repeated() -> None:
    assert CONDITION.isdisjoint(REPEATABLE)
    for code in ("ConditionalCheckFailedException", "ValidationException", "AccessDeniedException"):
        assert not is_repeatable(_told(code))
    for kind in (bc.NoCredentialsError, bc.ParamValidationError, bc.NoRegionError):
        assert not is_repeatable(_made(kind))
        assert isinstance(translated(_made(kind), WHERE), ConfigError)


def test_the_kinds_are_classes_that_boto3_has() -> None:
    assert all(issubclass(kind, Exception) for kind in KINDS)

"""Requests and answers as JSON, past botocore's own walk through every value, which takes as long as all else it does.

By botocore's events: our parameters are taken out before it would write them, and our JSON put in place of what it
wrote; an answer is read here and it is left an empty one. Signing, sending, retries and errors are as ever. Where an
event doesn't come, botocore does the work itself.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson
from botocore.parsers import ResponseParserError

from stat7.stores.dynamodb.layout import Item


def _page(answer: dict[str, Any]) -> Iterable[Item]:
    yield from answer.get("Items", ())
    if "LastEvaluatedKey" in answer:
        yield answer["LastEvaluatedKey"]


_OPERATIONS: Final[dict[str, Callable[[dict[str, Any]], Iterable[Item]]]] = {
    "BatchExecuteStatement": lambda answer: (),
    # What is unprocessed stays as it is: it is only sent back.
    "BatchGetItem": lambda answer: (item for items in answer.get("Responses", {}).values() for item in items),
    "BatchWriteItem": lambda answer: (),
    "GetItem": lambda answer: (answer["Item"],) if "Item" in answer else (),
    "Query": _page,
    "Scan": _page,
}
"""The operations that carry many values, and where in their answers the items are."""
_BODY: Final = "stat7_body"


def shorten(api: Any) -> None:
    """Have a client of boto3 write and read these operations' JSON by orjson."""
    for name in _OPERATIONS:
        api.meta.events.register_last(f"before-parameter-build.dynamodb.{name}", _take)
        api.meta.events.register(f"before-call.dynamodb.{name}", _give)
        api.meta.events.register(f"before-parse.dynamodb.{name}", _read)


def _take(params: dict[str, Any], context: dict[str, Any], **rest: Any) -> None:
    context[_BODY] = orjson.dumps(params, default=_text)
    # The names of tables stay: endpoints may be chosen by them.
    tables, name = params.get("RequestItems"), params.get("TableName")
    params.clear()
    if tables is not None:
        params["RequestItems"] = {table: {"Keys": []} if "Keys" in given else [] for table, given in tables.items()}
    if name is not None:
        params["TableName"] = name


def _give(params: dict[str, Any], context: dict[str, Any], **rest: Any) -> None:
    params["body"] = context.pop(_BODY)


def _read(
    operation_model: Any, response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **rest: Any
) -> None:
    if response_dict["status_code"] >= 300:
        return
    try:
        answer = orjson.loads(response_dict["body"])
        for item in _OPERATIONS[operation_model.name](answer):
            for value in item.values():
                if "B" in value:
                    value["B"] = a2b_base64(value["B"], strict_mode=True)
    except (ValueError, AttributeError, TypeError) as error:
        raise ResponseParserError(f"an answer that makes no sense, from a proxy perhaps: {error}") from error
    customized_response_dict.update(answer)
    response_dict["body"] = b"{}"


def _text(data: Any) -> str:
    """Bytes as the service wants them."""
    if isinstance(data, (bytes, bytearray)):
        return b2a_base64(data, newline=False).decode("ascii")
    raise TypeError(f"{type(data).__name__} is nothing that DynamoDB takes")

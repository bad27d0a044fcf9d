"""The table of operations: whole, fresh, and true of what is refused."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.faces.aws_lambda.bench import Client, Refusal, codec

from lambent.faces.aws_lambda import LambdaFace
from lambent.faces.aws_lambda_operations import KEPT, PAST_THE_CODEC, table

Refused = Callable[[Awaitable[Any]], Awaitable[Refusal]]
PAGE = Path(__file__).parents[3] / "docs" / "lambda-operations.md"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text() == table(), "run scripts/operations"


def test_the_lists_name_operations_that_exist() -> None:
    operations = codec().operations(LambdaFace)
    assert {*KEPT, *PAST_THE_CODEC, *LambdaFace.refused} <= set(operations)
    assert not [name for name in LambdaFace.refused if operations[name]], "it has a method after all"
    assert not [name for name in KEPT if not operations[name]], "it has no method"


async def test_what_is_refused_says_why(client: Client, refused: Refused) -> None:
    error = await refused(client.stop_durable_execution(DurableExecutionArn="arn"))
    assert (error.status, error.code) == (501, "NotImplementedException")
    assert error.message == (
        "StopDurableExecution of lambda is not supported here: durable executions are not part of Lambent."
    )

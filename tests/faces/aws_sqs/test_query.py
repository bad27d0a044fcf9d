"""The query protocol, as clients from before 2023 speak it."""

import asyncio
import xml.etree.ElementTree as ET
from urllib.parse import urlencode

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.faces.aws_sqs.conftest import Bench


async def ask(sqs: Bench, path: str, **form: str) -> tuple[int, ET.Element]:
    """One signed form; the answer without namespaces."""
    body = urlencode({**form, "Version": "2012-11-05"})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", f"{sqs.edge.url}{path}", data=body, headers=headers)
    SigV4Auth(Credentials("AKIAROOT", "root/secret+x"), "sqs", "us-east-1").add_auth(request)
    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession() as session,
        session.post(request.url, data=body, headers=dict(request.headers)) as answer,
    ):
        text = (await answer.text()).replace(' xmlns="http://queue.amazonaws.com/doc/2012-11-05/"', "")
        return answer.status, ET.fromstring(text)


async def test_a_message_goes_through_the_query_protocol(sqs: Bench) -> None:
    form = {
        "Attribute.1.Name": "VisibilityTimeout",
        "Attribute.1.Value": "7",
        "Tag.1.Key": "k",
        "Tag.1.Value": "v",
    }
    status, root = await ask(sqs, "/", Action="CreateQueue", QueueName="old", **form)
    url = root.findtext("CreateQueueResult/QueueUrl")
    assert (status, url) == (200, f"{sqs.edge.url}/000000000000/old")
    assert (await sqs("list_queue_tags", QueueUrl=url))["Tags"] == {"k": "v"}
    form = {
        "MessageBody": "hello & <you>",
        "MessageAttribute.1.Name": "n",
        "MessageAttribute.1.Value.DataType": "Number",
        "MessageAttribute.1.Value.StringValue": "5",
    }
    _, root = await ask(sqs, "/000000000000/old", Action="SendMessage", **form)
    sent = root.findtext("SendMessageResult/MessageId")
    form = {"AttributeName.1": "ApproximateReceiveCount", "MessageAttributeName.1": "All"}
    _, root = await ask(sqs, "/000000000000/old", Action="ReceiveMessage", MaxNumberOfMessages="5", **form)
    (message,) = root.findall("ReceiveMessageResult/Message")
    assert message.findtext("MessageId") == sent
    assert message.findtext("Body") == "hello & <you>"
    assert message.findtext("Attribute/Name") == "ApproximateReceiveCount"
    assert message.findtext("MessageAttribute/Name") == "n"
    assert message.findtext("MessageAttribute/Value/StringValue") == "5"
    entry = {
        "DeleteMessageBatchRequestEntry.1.Id": "a",
        "DeleteMessageBatchRequestEntry.1.ReceiptHandle": message.findtext("ReceiptHandle") or "",
    }
    _, root = await ask(sqs, "/", Action="DeleteMessageBatch", QueueUrl=str(url), **entry)
    assert root.findtext("DeleteMessageBatchResult/DeleteMessageBatchResultEntry/Id") == "a"
    _, root = await ask(sqs, "/000000000000/old", Action="GetQueueAttributes", **{"AttributeName.1": "All"})
    shown = root.findall("GetQueueAttributesResult/Attribute")
    assert {a.findtext("Name"): a.findtext("Value") for a in shown}["VisibilityTimeout"] == "7"


async def test_errors_have_their_old_codes(sqs: Bench) -> None:
    status, root = await ask(sqs, "/000000000000/none", Action="ReceiveMessage")
    assert status == 400
    assert root.findtext("Error/Code") == "AWS.SimpleQueueService.NonExistentQueue"
    assert root.findtext("Error/Type") == "Sender"
    _, root = await ask(sqs, "/", Action="Nonsense")
    assert root.findtext("Error/Code") == "InvalidAction"
    _, root = await ask(sqs, "/", Action="CreateQueue")
    assert root.findtext("Error/Code") == "MissingParameter"

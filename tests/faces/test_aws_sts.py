"""Who am I, as boto3 asks it."""

from tests.faces.edge import Edge, call


async def test_an_account_learns_its_own_name(edge: Edge) -> None:
    answer = await call(edge.client("sts").get_caller_identity)
    assert (answer["UserId"], answer["Arn"]) == ("000000000000", "arn:aws:iam::000000000000:root")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert answer["ResponseMetadata"]["RequestId"]


async def test_a_function_learns_its_role_and_session(edge: Edge) -> None:
    issued = edge.credentials.issue("123456789012", "etl", "etl-7", 60)
    client = edge.client("sts", issued.access_key, issued.secret_key, issued.token)
    answer = await call(client.get_caller_identity)
    assert answer["UserId"].endswith(":etl-7")
    assert answer["Arn"] == "arn:aws:sts::123456789012:assumed-role/etl/etl-7"

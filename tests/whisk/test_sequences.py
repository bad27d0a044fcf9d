"""Sequences and compositions: actions made of actions."""

from typing import Any

import pytest
from tests.whisk.conftest import Client

pytestmark = pytest.mark.slow

ADD = "def main(args):\n    return {'n': args['n'] + 1}\n"
FAIL = "def main(args):\n    return {'error': 'enough'}\n"


def sequence(guest: Client, name: str, *components: str) -> Any:
    exec_ = {"kind": "sequence", "components": [f"/_/{one}" for one in components]}
    return guest.ok("PUT", f"actions/{name}", {"exec": exec_}, overwrite=True)


def annotations(activation: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in activation["annotations"]}


def test_each_gets_what_the_one_before_answered(guest: Client) -> None:
    guest.action("add", ADD, limits={"memory": 128})
    made = sequence(guest, "three", "add", "add", "add")
    assert made["exec"] == {"kind": "sequence", "components": ["/guest/add"] * 3}
    assert made["parameters"] == [{"key": "_actions", "value": ["/guest/add"] * 3}]
    answer = guest.send(
        "POST", "actions/three", {"n": 1, "error": "in the input stops nothing"}, blocking=True
    )
    got = answer.json
    assert got["response"]["result"] == {"n": 4}
    parts = [guest.activation(one) for one in got["logs"]]
    assert [part["response"]["result"]["n"] for part in parts] == [2, 3, 4]
    assert {part["cause"] for part in parts} == {got["activationId"]}
    assert {annotations(part)["causedBy"] for part in parts} == {"sequence"}
    assert got["duration"] == sum(part["duration"] for part in parts)
    told = annotations(got)
    assert (told["topmost"], told["kind"], told["path"]) == (True, "sequence", "guest/three")
    assert told["limits"]["memory"] == 128
    assert guest.activation(got["activationId"])["logs"] == got["logs"]
    guest.ok("PUT", "packages/lent", {"parameters": [{"key": "n", "value": 10}]})
    guest.action("lent/add", ADD)
    sequence(guest, "nested", "lent/add", "three")
    got = guest.invoke("nested")
    assert got["response"]["result"] == {"n": 14}
    inner = annotations(guest.activation(got["logs"][1]))
    assert (inner["topmost"], inner["causedBy"]) == (False, "sequence")


def test_one_that_has_grown_ends_at_its_limit(guest: Client) -> None:
    guest.action("add", ADD)
    sequence(guest, "grows", "add")
    sequence(guest, "thrice", *["grows"] * 3)
    sequence(guest, "grows", *["add"] * 20)
    assert guest.result("thrice", {"n": 0}) == {"error": "Too many actions in the sequence."}


def test_an_error_ends_it(guest: Client) -> None:
    guest.action("add", ADD)
    guest.action("fail", FAIL)
    sequence(guest, "failing", "add", "fail", "add")
    answer = guest.send("POST", "actions/failing", {"n": 1}, blocking=True)
    assert (answer.status, answer.json["response"]["result"]) == (502, {"error": "enough"})
    assert len(answer.json["logs"]) == 2
    guest.action("leaving", ADD)
    sequence(guest, "torn", "add", "leaving")
    guest.ok("DELETE", "actions/leaving")
    assert guest.result("torn", {"n": 1}) == {"error": "Sequence component does not exist."}


def test_what_is_no_sequence(guest: Client) -> None:
    guest.action("add", ADD)

    def refused(*components: str) -> str:
        exec_ = {"kind": "sequence", "components": [f"/_/{one}" for one in components]}
        return guest.refused(400, "PUT", "actions/odd", {"exec": exec_}, overwrite=True)

    assert refused() == "No component specified for the sequence."
    assert refused("nothing") == "Sequence component does not exist."
    assert refused("odd") == "Sequence may not refer to itself."
    assert refused(*["add"] * 51) == "Too many actions in the sequence."
    sequence(guest, "odd", "add")
    sequence(guest, "around", "odd")
    assert refused("around") == "Sequence may not refer to itself."
    sequence(guest, "many", *["add"] * 26)
    assert refused("many", "many") == "Too many actions in the sequence."


CONDUCTOR = """
def main(args):
    step = args.pop('$step', 0)
    plan = args.get('plan', [])
    if 'error' in args:
        return {'params': {'seen': args['error']}}
    if step < len(plan):
        return {'action': plan[step], 'params': {'n': args['n']}, 'state': {'$step': step + 1, 'plan': plan}}
    return {'params': {'n': args['n']}}
"""


def conduct(guest: Client, plan: list[Any]) -> dict[str, Any]:
    guest.action("add", ADD)
    guest.action("conduct", CONDUCTOR, annotations=[{"key": "conductor", "value": True}])
    return dict(guest.invoke("conduct", {"n": 1, "plan": plan}))


def test_a_conductor_says_what_comes_next(guest: Client) -> None:
    got = conduct(guest, ["/_/add", "add", "/guest/add"])
    assert got["response"]["result"] == {"n": 4}
    assert len(got["logs"]) == 7, "the conductor between all and at both ends"
    told = annotations(got)
    assert (told["conductor"], told["topmost"], told["kind"]) == (True, True, "sequence")
    assert {guest.activation(one)["cause"] for one in got["logs"]} == {got["activationId"]}


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (7, "Failed to parse action name from json value 7 during composition."),
        ("/_/none", "Failed to resolve action with name 'guest/none' during composition."),
        ("/other/x", "Failed entitlement check for action with name 'other/x' during composition."),
    ],
)
def test_a_conductor_hears_what_cannot_be_done(guest: Client, action: Any, text: str) -> None:
    assert conduct(guest, [action])["response"]["result"] == {"seen": text}


def test_compositions_within_one_count_by_what_they_call(guest: Client) -> None:
    relay = "def main(args):\n    return {'params': args}\n"
    guest.action("relay", relay, annotations=[{"key": "conductor", "value": True}])
    assert conduct(guest, ["add"] * 40 + ["relay"] * 11)["response"]["result"] == {"n": 41}


def test_a_composition_has_an_end(guest: Client) -> None:
    got = conduct(guest, ["add"] * 51)
    assert got["response"]["result"] == {"seen": "Too many actions in the composition."}
    endless = "def main(args):\n    return {'action': 7}\n"
    guest.action("endless", endless, annotations=[{"key": "conductor", "value": True}])
    assert guest.result("endless") == {"error": "Too many actions in the composition."}

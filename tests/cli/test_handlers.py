"""The handler is found when there is only one, and asked for when there is not."""

import pytest

from lambent.cli.handlers import NoHandler, find

NAMED = "def handler(event, context): ...\n"
OTHER = "def work(event, context): ...\n"


@pytest.mark.parametrize(
    ("sources", "handler"),
    [
        ({"app.py": NAMED}, "app.handler"),
        ({"app.py": "def lambda_handler(e, c): ..."}, "app.lambda_handler"),
        ({"app.py": "def handler(event, context, clock=None): ..."}, "app.handler"),
        ({"app.py": OTHER}, "app.work"),
        ({"app.py": "def one(a): ...\ndef two(a, b): ...\ndef three(a, b, c): ..."}, "app.two"),
        ({"app.py": "def f(a, /, b): ...\ndef g(a, *, b): ...\ndef h(a, b=1): ..."}, "app.f"),
        ({"app.py": OTHER, "main.py": NAMED}, "main.handler"),
        ({"app.py": "X = 1", "src/app.py": NAMED}, "src.app.handler"),
        ({"app.py": NAMED, "src/app.py": NAMED}, "app.handler"),
        ({"src/__init__.py": NAMED}, "src.handler"),
        (
            {"app.py": NAMED, "lambda_function.py": "def lambda_handler(e, c): ..."},
            "lambda_function.lambda_handler",
        ),
        ({"app.py": NAMED, "data.txt": "def handler("}, "app.handler"),
        ({"app.py": "class A:\n    def handler(self, e): ...\ndef run(e, c): ..."}, "app.run"),
    ],
)
def test_the_only_handler_is_found(sources: dict[str, str], handler: str) -> None:
    assert find(sources) == handler


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"a.py": NAMED, "b.py": NAMED}, r"2 functions could be the handler \(a.handler, b.handler\)"),
        ({"a.py": "def f(a, b): ...\ndef g(a, b): ..."}, r"2 functions could be the handler \(a.f, a.g\)"),
        ({"a.py": "x = 1"}, "no function is called handler"),
        ({}, "no function is called handler"),
        ({"a.py": "def handler(:"}, "a.py is no valid Python"),
        ({"a.py": "\0"}, "a.py is no valid Python"),
    ],
)
def test_otherwise_it_says_why(sources: dict[str, str], message: str) -> None:
    with pytest.raises(NoHandler, match=message):
        find(sources)

"""The handler of a JavaScript function is found when there is only one."""

import pytest

from lambent.cli.exports import find
from lambent.cli.handlers import NoHandler


@pytest.mark.parametrize(
    ("sources", "handler"),
    [
        ({"index.js": "exports.handler = async () => 1"}, "index.handler"),
        ({"app.js": "module.exports.handler = () => {}"}, "app.handler"),
        ({"app.mjs": "export const handler = async () => 1"}, "app.handler"),
        ({"app.mjs": "export async function run(event) {}"}, "app.run"),
        ({"app.js": "const a = 1\nmodule.exports = { handler: a, other }"}, "app.handler"),
        ({"app.mjs": "export { inner as handler, other }"}, "app.handler"),
        ({"app.cjs": "exports.work = 1"}, "app.work"),
        ({"app.js": "exports.handler = 1", "index.js": "exports.handler = 1"}, "index.handler"),
        ({"app.js": "exports.a = 1\nexports.handler = 1"}, "app.handler"),
        ({"app.js": "exports.handler = 1", "lib/app.js": "exports.handler = 1"}, "app.handler"),
    ],
)
def test_found(sources: dict[str, str], handler: str) -> None:
    assert find(sources) == handler


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"index.js": "const x = 1"}, "nothing is exported"),
        ({"a.js": "exports.one = 1\nexports.two = 2"}, "2 exports could be the handler"),
        ({"a.js": "exports.handler = 1", "b.js": "exports.handler = 1"}, "2 exports"),
        ({}, "nothing is exported"),
    ],
)
def test_not_found(sources: dict[str, str], message: str) -> None:
    with pytest.raises(NoHandler, match=message):
        find(sources)

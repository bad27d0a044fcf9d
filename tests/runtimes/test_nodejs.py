"""Our Node.js runtime: handlers of every kind, what they print, and what goes wrong, as AWS has it."""

import asyncio
import json
import re

import pytest
from tests.runtimes.bench import EXECUTABLES, KEY, Bench, Make

NODES = [name for name, found in EXECUTABLES.items() if found.family == "nodejs"]
EXIT = "Runtime.ExitError"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not NODES, reason="there is no Node.js"),
    pytest.mark.parametrize("runtime", NODES),
]


@pytest.fixture
def node(make: Make, runtime: str) -> Make:
    async def build(code: str, name: str = "index.js", **more: object) -> Bench:
        return await make({name: code}, runtime=runtime, **more)

    return build


# Handlers.


@pytest.mark.parametrize(
    ("handler", "answer"),
    [
        ("async (e) => ({ got: e })", {"got": 7}),
        ("async () => {}", None),
        ("(e) => Promise.resolve(e + 1)", 8),
        ("(e, c, done) => done(null, e)", 7),
        ("(e, c, done) => { setTimeout(() => done(null, 'late'), 10) }", "late"),
        ("(e, c, done) => { done(null, 1); setTimeout(() => { globalThis.n = 1 }, 1) }", 1),
        ("() => {}", None),
        ("() => 5", None),  # AWS ignores what a handler returns that is neither a promise nor called back
        ("(e, c) => c.succeed(e)", 7),
        ("(e, c) => c.done(null, e)", 7),
        ("async () => undefined", None),
        ("async () => 'ü\\n'", "ü\n"),
    ],
)
async def test_answers(node: Make, handler: str, answer: object) -> None:
    bench = await node(f"exports.handler = {handler}")
    assert [await bench.answer(7) for _ in range(2)] == [answer, answer]


async def test_a_callback_waits_for_an_empty_loop_unless_told(node: Make) -> None:
    code = """
let seen = "nothing";
exports.handler = (event, context, callback) => {
  if (event === "look") return setTimeout(() => callback(null, seen), 100);
  context.callbackWaitsForEmptyEventLoop = event === "wait";
  setTimeout(() => { seen = event }, 50);
  callback(null, "answered");
};
"""
    bench = await node(code)
    assert await bench.answer("wait") == "answered"
    assert await bench.answer("look") == "wait"
    assert await bench.answer("go") == "answered"
    assert await bench.answer("look") == "go", "what was left goes on in the next invocation, which waited"


@pytest.mark.parametrize(
    ("files", "handler"),
    [
        ({"index.mjs": "export const handler = async () => 1"}, "index.handler"),
        (
            {"index.js": "export const handler = async () => 1", "package.json": '{"type": "module"}'},
            "index.handler",
        ),
        ({"index.cjs": "exports.handler = async () => 1"}, "index.handler"),
        ({"app/main.js": "exports.deep = { er: async () => 1 }"}, "app/main.deep.er"),
        ({"app/index.js": "exports.handler = async () => 1"}, "app.handler"),
        ({"index.mjs": "const n = await 1; export const handler = async () => n"}, "index.handler"),
        (
            {
                "index.js": "const { n } = require('dep'); exports.handler = async () => n",
                "node_modules/dep/index.js": "exports.n = 1",
            },
            "index.handler",
        ),
    ],
)  # fmt: skip
async def test_modules(make: Make, runtime: str, files: dict[str, str], handler: str) -> None:
    bench = await make(files, runtime=runtime, handler=handler)
    assert await bench.answer() == 1


async def test_the_context(node: Make) -> None:
    bench = await node(
        "exports.handler = async (e, c) => ({...c, left: c.getRemainingTimeInMillis(),"
        " trace: process.env._X_AMZN_TRACE_ID ?? null})"
    )
    context = '{"custom": {"n": 1}}'
    seen = await bench.answer(client_context=context, tenant="blue", trace_id="Root=1-2")
    assert seen["functionName"] == "f"
    assert seen["functionVersion"] == "$LATEST"
    assert seen["memoryLimitInMB"] == "128"
    assert seen["invokedFunctionArn"] == KEY.arn
    assert seen["clientContext"] == {"custom": {"n": 1}}
    assert (seen["tenantId"], seen["trace"]) == ("blue", "Root=1-2")
    assert 5000 < seen["left"] <= 10_000
    assert re.fullmatch(r"[0-9a-f-]{36}", seen["awsRequestId"])
    assert (await bench.answer())["trace"] is None


async def test_the_heap_has_limits_of_the_functions_memory(node: Make) -> None:
    code = "exports.handler = async () => require('v8').getHeapStatistics().heap_size_limit / 1048576"
    assert await (await node(code)).answer() < 170


async def test_a_wrapper_starts_it(
    make: Make, runtime: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wrapper = tmp_path_factory.mktemp("wrapper") / "wrapper"
    wrapper.write_text('#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n')
    wrapper.chmod(0o755)
    bench = await make(
        {"index.js": "exports.handler = async () => process.env.WRAPPED"},
        runtime=runtime,
        AWS_LAMBDA_EXEC_WRAPPER=str(wrapper),
    )
    assert await bench.answer() == "yes"


# Streams.


async def test_a_streaming_handler(node: Make) -> None:
    code = """
export const handler = awslambda.streamifyResponse(async (event, stream, context) => {
  const out = awslambda.HttpResponseStream.from(stream, { statusCode: 201, headers: { a: "b" } });
  for (let n = 0; n < 3; n++) {
    out.write(`part ${n} `);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  out.end(context.awsRequestId.length.toString());
});
"""
    bench = await node(code, "index.mjs")
    for _ in range(2):
        outcome = await bench.call()
        prelude, _, body = outcome.payload.partition(bytes(8))
        assert json.loads(prelude) == {"statusCode": 201, "headers": {"a": "b"}}
        assert body == b"part 0 part 1 part 2 36"


async def test_a_pipeline(node: Make) -> None:
    code = """
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
export const handler = awslambda.streamifyResponse(
  (event, stream) => pipeline(Readable.from(["a", "b".repeat(100000)]), stream));
"""
    assert (await (await node(code, "index.mjs")).call()).payload == b"a" + b"b" * 100_000


@pytest.mark.parametrize("first", ["", "stream.write('begun'); await new Promise((r) => setTimeout(r, 20));"])
async def test_a_stream_that_fails(node: Make, first: str) -> None:
    bench = await node(
        "exports.handler = awslambda.streamifyResponse(async (event, stream) => {"
        f"{first} if (event) throw new RangeError('broke'); stream.end('fine') }})"
    )
    told = await bench.fail(1)
    assert (told["errorType"], told["errorMessage"]) == ("RangeError", "broke")
    assert (await bench.call()).payload.endswith(b"fine")


# Errors.


@pytest.mark.parametrize(
    ("handler", "error_type", "message"),
    [
        ("async () => { throw new TypeError('m') }", "TypeError", "m"),
        ("() => { throw new TypeError('m') }", "TypeError", "m"),
        ("(e, c, done) => done(new Error('m'))", "Error", "m"),
        ("(e, c, done) => done('text')", "string", "text"),
        ("(e, c) => c.fail(new Error('m'))", "Error", "m"),
        ("async () => { throw 5 }", "number", "5"),
        ("async () => { throw Object.assign(new Error('m'), { name: 'Mine' }) }", "Mine", "m"),
        ("async () => 10n", "Error", "Unable to stringify response body"),
        ("async () => 'x'.repeat(6291600)", "Function.ResponseSizeTooLarge", "Response payload size"),
    ],
)  # fmt: skip
async def test_errors(node: Make, handler: str, error_type: str, message: str) -> None:
    bench = await node(f"exports.handler = {handler}")
    for _ in range(2):
        told = await bench.fail()
        assert told["errorType"] == error_type
        assert message in told["errorMessage"]


async def test_an_error_has_its_trace_and_its_line(node: Make) -> None:
    bench = await node("exports.handler = async () => {\n  null.field\n}")
    told = await bench.fail()
    assert told["trace"][0] == f"TypeError: {told['errorMessage']}"
    assert re.match(r"    at .*/index\.js:2:8\)", told["trace"][1])
    (line,) = [line for line in bench.log if "\tERROR\t" in line]
    what, described = line.split("\tERROR\t")[1].split("\t")
    assert what == "Invoke Error "
    assert json.loads(described)["stack"] == told["trace"]


@pytest.mark.parametrize(
    ("code", "error_type", "message"),
    [
        ("setTimeout(() => { throw new TypeError('late') }, 1)", "TypeError", "late"),
        ("Promise.reject(new Error('late'))", "Runtime.UnhandledPromiseRejection", "Error: late"),
    ],
)
async def test_what_nobody_caught_ends_the_process(
    node: Make, code: str, error_type: str, message: str
) -> None:
    bench = await node(
        f"exports.handler = (event) => {{ if (event) {code}; else return Promise.resolve(process.pid) }}"
    )
    pid = await bench.answer()
    told = await bench.fail(1)
    assert (told["errorType"], told["errorMessage"]) == (error_type, message)
    assert await bench.answer() != pid


async def test_an_exit(node: Make) -> None:
    bench = await node("exports.handler = async () => process.exit(7)")
    told = await bench.fail()
    assert told["errorType"] == EXIT
    assert told["errorMessage"].endswith("exit status 7")


@pytest.mark.parametrize(
    ("code", "handler", "error_type", "message"),
    [
        ("require('nosuch')", "index.handler", "ImportModuleError", "Error: Cannot find module 'nosuch'"),
        ("", "other.handler", "ImportModuleError", "Error: Cannot find module"),
        ("exports.x = 1", "index.handler", "HandlerNotFound", "index.handler is undefined or not exported"),
        ("exports.handler = 1", "index.handler", "HandlerNotFound", "index.handler is not a function"),
        ("exports.handler = ", "index.handler", "UserCodeSyntaxError", "SyntaxError: Unexpected end of"),
        ("", "../index.handler", "MalformedHandlerName", "'../index.handler' is not a valid handler"),
        ("", "index", "MalformedHandlerName", "Bad handler"),
        ("throw new RangeError('at once')", "index.handler", "RangeError", "at once"),
    ],
)  # fmt: skip
async def test_what_cannot_be_loaded(
    node: Make, code: str, handler: str, error_type: str, message: str
) -> None:
    bench = await node(code, handler=handler)
    told = await bench.fail()
    assert told["errorType"].removeprefix("Runtime.") == error_type
    assert told["errorMessage"].startswith(message)


# The log.


async def test_console_lines_have_time_id_and_level(node: Make) -> None:
    bench = await node("""
console.log("init");
exports.handler = async () => {
  console.log("a\\nb", { n: 1 });
  console.error("%s!", "e");
  for (const method of ["debug", "info", "warn", "trace"]) console[method](method);
  process.stdout.write("plain\\n");
};
""")
    outcome = await bench.call()
    request_id = re.search(r"RequestId: (\S+)", outcome.log_tail.decode())
    assert request_id
    lines = [line.split("\t") for line in bench.log if "\t" in line and "REPORT" not in line][1:]
    assert [line[1:] for line in lines] == [
        ["undefined", "INFO", "init\n"],
        *(
            [request_id[1], level, text]
            for level, text in [
                ("INFO", "a\rb { n: 1 }\n"),
                ("ERROR", "e!\n"),
                ("DEBUG", "debug\n"),
                ("INFO", "info\n"),
                ("WARN", "warn\n"),
                ("TRACE", "trace\n"),
            ]
        ),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line[0]) for line in lines)
    assert "plain\n" in bench.log


async def test_the_json_format_and_its_levels(node: Make) -> None:
    bench = await node(
        "exports.handler = async () => {"
        " console.debug('not shown'); console.log({ a: 1 }); console.warn('x', new TypeError('t')) }",
        AWS_LAMBDA_LOG_FORMAT="JSON",
        AWS_LAMBDA_LOG_LEVEL="INFO",
    )
    await bench.call()
    first, second = [json.loads(line) for line in bench.log if line.startswith("{")]
    assert (first["level"], first["message"], len(first["requestId"])) == ("INFO", {"a": 1}, 36)
    assert (second["level"], second["errorType"], second["errorMessage"]) == ("WARN", "TypeError", "t")
    assert second["stackTrace"][0] == "TypeError: t"


async def test_a_great_line_is_whole(node: Make) -> None:
    bench = await node("exports.handler = async () => console.log('x'.repeat(200000))")
    await bench.call()
    assert sum(line.count("x") for line in bench.log) >= 200_000


async def test_a_timeout(node: Make) -> None:
    bench = await node("exports.handler = () => new Promise(() => setInterval(() => {}, 1000))", timeout_s=1)
    async with asyncio.timeout(10):
        assert (await bench.fail())["errorType"] == "Sandbox.Timedout"

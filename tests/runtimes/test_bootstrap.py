"""The Python runtime answers as AWS's does, on every Python of this machine."""

import json
import re
import signal
from collections.abc import Callable

import pytest
from tests.runtimes.conftest import Bootstrap

from lambent.model.interpreter import Interpreter
from lambent.model.limits import RESPONSE_PAYLOAD_BYTES, SYNC_PAYLOAD_BYTES
from lambent.runtimes.python import frames, marshal

Start = Callable[..., Bootstrap]
NO_BREAK_SPACE = "\u00a0"
SHELL = """
    import decimal, os, sys, threading

    def handler(event, context):
        return eval(event)
"""


def test_an_answer_carries_the_id_and_the_value(start: Start) -> None:
    bootstrap = start("def handler(event, context): return {'got': event}").ready()
    kind, meta, payload = bootstrap.run({"a": [1, None]}, id="8f50-1")
    assert (kind, meta, payload) == (frames.ANSWER, {"id": "8f50-1"}, b'{"got": {"a": [1, null]}}')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("None", b"null"),
        ("'Z\u00fcrich'", '"Z\u00fcrich"'.encode()),
        ("'\\ud800'", b'"\\ud800"'),
        ("b'as it is'", b"as it is"),
        ("{'n': b'bytes'}", b'{"n": "bytes"}'),
        ("decimal.Decimal('1.10')", b"1.10"),
        ("[decimal.Decimal('12345678901234567890.123456789')]", b"[12345678901234567890.123456789]"),
        ("1.5", b"1.5"),
    ],
)
def test_values_become_json_as_on_aws(start: Start, value: str, text: bytes) -> None:
    kind, _, payload = start(SHELL).ready().run(value)
    assert (kind, payload) == (frames.ANSWER, text)


STREAM = """
closed = []

def handler(event, context):
    try:
        for piece in eval(event):
            print("gives", str(piece)[:10])
            yield piece
    finally:
        closed.append(event)
"""


def test_a_generator_gives_its_answer_in_pieces(start: Start) -> None:
    bootstrap = start(STREAM).ready()
    kind, _, payload = bootstrap.run("['one ', b'two ', bytearray(b'three '), 'f\\u00fcnf']")
    assert (kind, payload) == (frames.ANSWER, "one two three fünf".encode())
    assert bootstrap.run("[]")[2] == b""
    assert bootstrap.output().count("gives") == 4


ASYNC_STREAM = STREAM.replace("def handler", "import asyncio\nasync def handler").replace(
    "yield piece", "await asyncio.sleep(0)\n            yield piece"
)


@pytest.mark.parametrize("source", [STREAM, ASYNC_STREAM])
def test_a_caller_who_takes_pieces_gets_them_as_they_come(start: Start, source: str) -> None:
    bootstrap = start(source).ready()
    bootstrap.send(json.dumps("['one', b'', 'x' * 600_000]").encode(), streams=True)
    pieces = [bootstrap.frame() for _ in range(4)]
    assert [len(payload) for _, _, payload in pieces] == [3, 262_144, 262_144, 75_712]
    assert {kind for kind, _, _ in pieces} == {frames.PIECE}
    assert pieces[0][1] == {"id": "r-1", "type": "application/octet-stream"}
    assert bootstrap.frame() == (frames.ANSWER, {"id": "r-1"}, b"")
    assert bootstrap.run("['whole']")[2] == b"whole"


def test_a_stream_may_begin_with_the_head_of_an_http_response(start: Start) -> None:
    bootstrap = start(STREAM).ready()
    event = "[{'statusCode': 201}, 'body']"
    bootstrap.send(json.dumps(event).encode(), streams=True)
    _, meta, head = bootstrap.frame()
    assert meta["type"] == "application/vnd.awslambda.http-integration-response"
    assert head == b'{"statusCode": 201}' + bytes(8)
    assert bootstrap.frame()[2] == b"body"
    assert bootstrap.frame()[0] == frames.ANSWER
    assert bootstrap.run(event)[2] == head + b"body"
    assert bootstrap.fail("['body', {}]")["errorMessage"] == "A generator must yield bytes or str, not dict"


@pytest.mark.parametrize("source", [STREAM, ASYNC_STREAM])
def test_a_stream_that_breaks_off(start: Start, source: str) -> None:
    bootstrap = start(source).ready()
    bootstrap.send(json.dumps("(str(1 // n) for n in (1, 0))").encode(), streams=True)
    assert bootstrap.frame()[2] == b"1"
    kind, _, told = bootstrap.frame()
    assert kind == frames.ERROR
    assert json.loads(told)["errorType"] == "ZeroDivisionError"
    assert "in handler" in json.loads(told)["stackTrace"][0]
    assert bootstrap.run("[]")[2] == b""


def test_a_generator_that_fails(start: Start) -> None:
    bootstrap = start(STREAM).ready()
    error = bootstrap.fail("(1 / n for n in (0,))")
    assert (error["errorType"], error["errorMessage"]) == ("ZeroDivisionError", "division by zero")
    assert "in handler" in error["stackTrace"][0]
    error = bootstrap.fail("['fine', 5]")
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"] == "A generator must yield bytes or str, not int"


def test_a_generator_without_end(start: Start) -> None:
    bootstrap = start(STREAM.replace("yield piece", "yield piece * 100_000")).ready()
    error = bootstrap.fail("__import__('itertools').repeat('x')")
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert bootstrap.run("[]")[2] == b""


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("{1, 2}", "Object of type set is not JSON serializable"),
        ("object()", "Object of type object is not JSON serializable"),
        ("{(1, 2): 3}", "keys must be str, int, float, bool or None, not tuple"),
        ("float('nan')", "Out of range float values are not JSON compliant"),
        ("decimal.Decimal('Infinity')", "Out of range float values are not JSON compliant"),
        ("b'\\xff' and [b'\\xff']", "'utf-8' codec can't decode"),
    ],
)
def test_what_json_cannot_say_is_a_marshal_error(start: Start, value: str, complaint: str) -> None:
    bootstrap = start(SHELL).ready()
    error = bootstrap.fail(value)
    assert error["errorType"] == "Runtime.MarshalError"
    assert error["errorMessage"].startswith(f"Unable to marshal response: {complaint}")
    assert error["stackTrace"] == []
    assert bootstrap.call("1") == 1


def test_a_circle_is_a_marshal_error_each_time_and_the_next_answer_is_good(start: Start) -> None:
    bootstrap = start("""
        circle = {}
        circle["itself"] = [circle]

        def handler(event, context):
            return circle if event else {"itself": None}
    """).ready()
    for _ in range(2):
        _, _, payload = bootstrap.run(True)
        assert (
            json.loads(payload)["errorMessage"] == "Unable to marshal response: Circular reference detected"
        )
    assert bootstrap.run(False)[2] == b'{"itself": null}'


def test_no_payload_is_an_empty_object(start: Start) -> None:
    bootstrap = start("def handler(event, context): return event").ready()
    bootstrap.send(b"")
    assert bootstrap.frame()[2] == b"{}"


@pytest.mark.parametrize(
    "payload", [b"nonsense", b'{"a":', b"{} {}", b"NaN", b"[Infinity]", b'"\xff"', b"[" * 100_000]
)
def test_an_event_that_is_no_json_never_reaches_the_handler(start: Start, payload: bytes) -> None:
    bootstrap = start("def handler(event, context): print('ran'); return event").ready()
    bootstrap.send(payload, id="r-9")
    kind, meta, body = bootstrap.frame()
    assert (kind, meta["id"], body) == (frames.NOT_JSON, "r-9", b"")
    assert meta["message"]
    assert bootstrap.output() == ""
    bootstrap.send(b' {"a": 1} ')
    assert bootstrap.frame()[2] == b'{"a": 1}'


def test_the_context_is_awss(start: Start) -> None:
    bootstrap = start(
        """
        def handler(event, context):
            shown = {k: v for k, v in vars(context).items() if isinstance(v, (str, type(None)))}
            client = context.client_context
            app = client.client
            identity = context.identity
            return {
                "shown": shown,
                "left": context.get_remaining_time_in_millis(),
                "identity": [identity.cognito_identity_id, identity.cognito_identity_pool_id],
                "client": [client.custom, client.env, app.app_title, app.app_version_code],
                "repr": repr(context),
            }
        """
    ).ready()
    context = json.dumps({"custom": {"k": "v"}, "env": {"locale": "de"}, "client": {"app_title": "app"}})
    answer = bootstrap.call({}, client_context=context, tenant="acme")
    assert answer["shown"] == {
        "aws_request_id": "r-1",
        "log_group_name": "/aws/lambda/flights",
        "log_stream_name": "2025/11/25/[$LATEST]0123",
        "function_name": "flights",
        "memory_limit_in_mb": "128",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:000000000000:function:flights",
        "tenant_id": "acme",
    }
    assert 0 < answer["left"] <= 3000
    assert answer["identity"] == [None, None]
    assert answer["client"] == [{"k": "v"}, {"locale": "de"}, "app", None]
    assert answer["repr"].startswith("LambdaContext([aws_request_id=r-1,log_group_name=/aws/lambda/flights,")


def test_without_a_client_context_there_is_none_and_no_time_is_left_after_the_deadline(start: Start) -> None:
    code = "def handler(e, c): return [c.client_context, c.get_remaining_time_in_millis(), c.tenant_id]"
    assert start(code).ready().call(deadline_ms=1) == [None, 0, None]


def test_a_client_context_that_is_no_json_is_an_error(start: Start) -> None:
    error = start(SHELL).ready().fail("1", client_context="{")
    assert error["errorType"] == "Runtime.LambdaContextUnmarshalError"
    assert error["errorMessage"].startswith("Unable to parse Client Context JSON: ")


def test_an_exception_is_told_with_its_trace_and_logged(start: Start, interpreter: Interpreter) -> None:
    bootstrap = start(
        """
        def inner(n):
            raise ValueError("boom \\ud800")

        def handler(event, context):
            return inner(event)
        """
    ).ready()
    error = bootstrap.fail(1, id="r-7")
    where = bootstrap.log.parent / "task" / "handler.py"
    assert error == {
        "errorMessage": "boom \ud800",
        "errorType": "ValueError",
        "requestId": "r-7",
        "stackTrace": [
            f'  File "{where}", line 6, in handler\n    return inner(event)\n',
            f'  File "{where}", line 3, in inner\n    raise ValueError("boom \\ud800")\n',
        ],
    }
    n = NO_BREAK_SPACE
    assert bootstrap.log.read_bytes().decode() == "\r".join(
        [
            "[ERROR] ValueError: boom \\ud800",
            "Traceback (most recent call last):",
            f'{n * 2}File "{where}", line 6, in handler',
            f"{n * 4}return inner(event)",
            f'{n * 2}File "{where}", line 3, in inner',
            f'{n * 4}raise ValueError("boom \\ud800")\n',
        ]
    )


def test_an_exception_without_words_is_still_told(start: Start) -> None:
    bootstrap = start(
        """
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError

        def handler(event, context):
            raise Mute if event else AssertionError
        """
    ).ready()
    assert bootstrap.fail(1)["errorType"] == "Mute"
    error = bootstrap.fail(0)
    assert (error["errorType"], error["errorMessage"]) == ("AssertionError", "")
    assert "[ERROR] AssertionError\rTraceback" in bootstrap.log.read_bytes().decode()


def test_printing_and_logging_come_out_as_on_aws(start: Start) -> None:
    bootstrap = start(
        """
        import logging, sys
        logging.getLogger().setLevel(logging.INFO)
        logging.warning("at init")

        def handler(event, context):
            print("printed")
            print("to stderr", file=sys.stderr)
            logging.getLogger("some.library").info("logged %s", event)
            logging.debug("not shown")
            context.log("by the context")
        """
    ).ready()
    bootstrap.call(5, id="8f50")
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(
        rf"\[WARNING\]\t{time}\t\tat init\nprinted\nto stderr\n"
        rf"\[INFO\]\t{time}\t8f50\tlogged 5\nby the context",
        bootstrap.output(),
    )


def test_json_logs_have_awss_fields(start: Start) -> None:
    bootstrap = start(
        """
        import logging

        def handler(event, context):
            logging.info("hello", extra={"order": 7})
            try:
                1 / 0
            except ZeroDivisionError:
                logging.exception("failed")
            raise KeyError("k")
        """,
        AWS_LAMBDA_LOG_FORMAT="JSON",
        AWS_LAMBDA_LOG_LEVEL="INFO",
    ).ready()
    bootstrap.fail(id="r-3", tenant="acme")
    hello, failed, error = map(json.loads, bootstrap.output().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", hello.pop("timestamp"))
    assert hello == {
        "level": "INFO",
        "message": "hello",
        "logger": "root",
        "requestId": "r-3",
        "tenantId": "acme",
        "order": 7,
    }
    assert failed["errorType"] == "ZeroDivisionError"
    assert failed["location"].endswith("handler.py:handler:9")
    assert "1 / 0" in failed["stackTrace"][0]
    assert (error["log_level"], error["errorType"], error["errorMessage"]) == ("ERROR", "KeyError", "'k'")


def test_everything_printed_is_out_before_the_answer(start: Start) -> None:
    code = "import sys\ndef handler(e, c):\n    sys.stdout.write('half a line'); sys.stderr.write('!')"
    bootstrap = start(code).ready()
    bootstrap.call()
    assert sorted(bootstrap.output()) == sorted("half a line!")


def test_a_handler_may_close_or_replace_its_streams(start: Start) -> None:
    bootstrap = start(SHELL).ready()
    bootstrap.call("sys.stdout.close()")
    bootstrap.call("setattr(sys, 'stderr', None)")
    assert bootstrap.fail("1 / 0")["errorType"] == "ZeroDivisionError"
    assert bootstrap.call("2") == 2


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        (
            "nodot",
            "MalformedHandlerName",
            "Bad handler 'nodot': not enough values to unpack (expected 2, got 1)",
        ),
        ("gone.handler", "ImportModuleError", "Unable to import module 'gone': No module named 'gone'"),
        ("needs.handler", "ImportModuleError", "Unable to import module 'needs': No module named 'gone'"),
        ("handler.gone", "HandlerNotFound", "Handler 'gone' missing on module 'handler'"),
        ("sys.exit", "BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
    ],
)
def test_a_handler_that_cannot_be_found_is_told_in_awss_words(
    start: Start, handler: str, kind: str, message: str
) -> None:
    bootstrap = start("def handler(e, c): pass", handler=handler, files={"needs.py": "import gone"})
    frame, _, payload = bootstrap.frame()
    assert frame == frames.INIT_ERROR
    assert json.loads(payload) == {
        "errorMessage": message,
        "errorType": f"Runtime.{kind}",
        "requestId": "",
        "stackTrace": [],
    }
    assert bootstrap.status() == 1
    assert bootstrap.log.read_bytes().decode() == (
        f"[ERROR] Runtime.{kind}: {message}\rTraceback (most recent call last):\n"
    )


def test_a_syntax_error_is_told_with_its_line(start: Start) -> None:
    frame, _, payload = start("def handler(event, context)\n    pass\n").frame()
    error = json.loads(payload)
    assert frame == frames.INIT_ERROR
    assert error["errorType"] == "Runtime.UserCodeSyntaxError"
    assert error["errorMessage"].startswith("Syntax error in module 'handler': ")
    assert re.match(r'  File ".*/handler.py" Line 1\n    def handler', error["stackTrace"][0])


def test_an_error_while_importing_has_its_trace(start: Start) -> None:
    frame, _, payload = start("{}['missing']").frame()
    error = json.loads(payload)
    assert (frame, error["errorType"], error["errorMessage"]) == (frames.INIT_ERROR, "KeyError", "'missing'")
    assert "handler.py" in error["stackTrace"][-1]
    assert not any("runtimes/python" in part for part in error["stackTrace"])


@pytest.mark.parametrize("handler", ["pkg/sub/main.run", "pkg.sub.main.run"])
def test_a_handler_may_lie_in_a_package(start: Start, handler: str) -> None:
    files = {"pkg/__init__.py": "", "pkg/sub/main.py": "def run(event, context): return __name__"}
    assert start(handler=handler, files=files).ready().call() == "pkg.sub.main"


@pytest.mark.parametrize(
    ("code", "status"),
    [("sys.exit()", 0), ("sys.exit(5)", 5), ("exit(6)", 6), ("sys.exit('why')", 1), ("os._exit(7)", 7)],
)
def test_an_exit_ends_the_process_with_its_status(start: Start, code: str, status: int) -> None:
    bootstrap = start(SHELL).ready()
    bootstrap.send(json.dumps(code).encode())
    with pytest.raises(EOFError):
        bootstrap.frame()
    assert bootstrap.status() == status
    assert bootstrap.output() == ("why\n" if status == 1 else "")


def test_an_exit_during_init_ends_the_process(start: Start) -> None:
    bootstrap = start("import sys; print('leaving'); sys.exit(9)")
    with pytest.raises(EOFError):
        bootstrap.frame()
    assert bootstrap.status() == 9
    assert bootstrap.output() == "leaving\n"


def test_an_exit_waits_for_threads_and_runs_exit_hooks(start: Start) -> None:
    bootstrap = start(
        """
        import atexit, sys, threading
        atexit.register(print, "hook")

        def handler(event, context):
            go = threading.Event()
            threading.Thread(target=lambda: go.wait(30) and print("thread")).start()
            go.set()
            sys.exit(3)
        """
    ).ready()
    bootstrap.send(b"1")
    assert bootstrap.status() == 3
    assert bootstrap.output() == "thread\nhook\n"


def test_what_is_no_exception_ends_the_process_with_a_trace(start: Start) -> None:
    bootstrap = start("def handler(event, context): raise KeyboardInterrupt").ready()
    bootstrap.send(b"1")
    assert bootstrap.status() == 1
    assert "KeyboardInterrupt" in bootstrap.output()


def test_a_crash_is_a_signal(start: Start) -> None:
    bootstrap = start("import os\ndef handler(event, context): os.abort()").ready()
    bootstrap.send(b"1")
    assert bootstrap.status() == -signal.SIGABRT


def test_the_process_ends_when_the_node_is_gone(start: Start) -> None:
    bootstrap = start("import threading\ndef handler(e, c): threading.Timer(600, print).start()").ready()
    bootstrap.call()
    bootstrap.control.close()
    assert bootstrap.status() == 0


def test_the_search_path_is_awss_and_leaves_out_this_machines_packages(
    start: Start, interpreter: Interpreter
) -> None:
    root = "/nowhere"
    code = "import sys\ndef handler(event, context): return sys.path"
    path = start(code, PYTHONPATH="/given:/more", LAMBDA_RUNTIME_DIR=root).ready().call()
    assert path[0].endswith("/task")
    assert path[1:3] == ["/given", "/more"]
    assert not [p for p in path if p.endswith("-packages") or "runtimes" in p]
    assert path[-1].startswith(str(interpreter.prefix))


def test_layers_come_after_the_package_and_before_the_libraries(
    start: Start, tmp_path_factory: pytest.TempPathFactory, interpreter: Interpreter
) -> None:
    root = tmp_path_factory.mktemp("layers")
    site = f"python/lib/{interpreter.runtime}/site-packages"
    places = {"one/python": "abc", f"two/{site}": "bc", "two/python": "c", "libraries": "abcd"}
    for folder, modules in places.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in modules:
            (root / folder / f"m{name}.py").write_text(f"place = {folder!r}")
    files = {"ma.py": "place = 'task'"}
    code = "import ma, mb, mc, md\ndef handler(e, c): return [m.place for m in (ma, mb, mc, md)]"
    bootstrap = start(
        code, files=files, layers=(root / "one", root / "two"), libraries=root / "libraries"
    ).ready()
    assert bootstrap.call() == ["task", f"two/{site}", f"two/{site}", "libraries"]


def test_pth_files_of_the_package_are_read(start: Start) -> None:
    files = {"vendor.pth": "vendored\n", "vendored/inner.py": "x = 1"}
    assert start("import inner\ndef handler(e, c): return inner.x", files=files).ready().call() == 1


@pytest.mark.parametrize("name", ["frames", "context", "errors", "output", "bootstrap", "lambent"])
def test_a_package_may_bring_modules_with_our_names(start: Start, name: str) -> None:
    files = {f"{name}.py": "mine = True"}
    assert start(f"import {name}\ndef handler(e, c): return {name}.mine", files=files).ready().call() is True


TRACE = """
    import os, subprocess

    def handler(event, context):
        if event == "unset":
            del os.environ["_X_AMZN_TRACE_ID"]
        elif event:
            os.environ["_X_AMZN_TRACE_ID"] = event
        told = subprocess.run(["printenv", "_X_AMZN_TRACE_ID"], stdout=subprocess.PIPE, close_fds=False)
        return [os.environ.get("_X_AMZN_TRACE_ID"), told.stdout.decode().strip()]
"""


def test_the_trace_variable_follows_the_invocation(start: Start) -> None:
    bootstrap = start(TRACE).ready()
    for trace in ("Root=1-ab", "Root=1-c", "Root=1-" + "d" * 5000, "Root=1-e"):
        assert bootstrap.call(trace=trace) == [trace, trace]
    assert bootstrap.call("of its own", trace="Root=1-f") == ["of its own"] * 2
    assert bootstrap.call(trace="Root=1-g") == ["Root=1-g"] * 2
    assert bootstrap.call("unset", trace="Root=1-h") == [None, ""]
    assert bootstrap.call(trace="Root=1-i") == ["Root=1-i"] * 2
    assert bootstrap.call(trace="") == [None, ""]
    assert bootstrap.call(trace="Root=1-j") == ["Root=1-j"] * 2


def test_an_instance_does_not_grow_with_its_calls(start: Start) -> None:
    code = """
        import re

        def handler(event, context):
            return int(re.search(r"Private_Dirty: *(\\d+)", open("/proc/self/smaps_rollup").read())[1])
    """
    bootstrap = start(code).ready()
    before_kib = [bootstrap.call(trace=f"Root=1-{n:0100d}") for n in range(500)][-1]
    after_kib = [bootstrap.call(trace=f"Root=1-{n:0100d}") for n in range(500, 5500)][-1]
    assert after_kib - before_kib < 256


def test_state_lives_from_call_to_call(start: Start) -> None:
    bootstrap = start("seen = []\ndef handler(e, c):\n    seen.append(e)\n    return seen").ready()
    bootstrap.call(1)
    assert bootstrap.call(2) == [1, 2]


def test_programs_that_a_handler_starts_do_not_get_the_control_socket(start: Start) -> None:
    code = """
        import subprocess

        def handler(event, context):
            return subprocess.check_output(["ls", "/proc/self/fd"], close_fds=False).decode()
    """
    assert start(code).ready().call().split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


def test_the_largest_payload_goes_in_and_the_largest_answer_comes_out(start: Start) -> None:
    bootstrap = start(
        "def handler(event, context): return event if len(event) > 9 else 'x' * int(event)"
    ).ready()
    event = "e" * (SYNC_PAYLOAD_BYTES - 2)
    assert bootstrap.call(event) == event
    assert len(bootstrap.run(str(RESPONSE_PAYLOAD_BYTES - 2))[2]) == RESPONSE_PAYLOAD_BYTES


def test_an_answer_over_the_limit_is_not_sent(start: Start) -> None:
    assert marshal.ANSWER_BYTES == RESPONSE_PAYLOAD_BYTES
    bootstrap = start(SHELL).ready()
    message = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    too_large = {"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}
    assert bootstrap.fail(f"'x' * {RESPONSE_PAYLOAD_BYTES - 1}") == too_large
    assert bootstrap.output() == f"[ERROR] Function.ResponseSizeTooLarge: {message}\n"
    assert (
        bootstrap.fail(
            "[][len('x' * 7_000_000)] if 0 else (_ for _ in ()).throw(ValueError('x' * 7_000_000))"
        )
        == too_large
    )
    assert bootstrap.call("1") == 1


def test_the_environment_is_a_processs_own_and_in_utc(start: Start) -> None:
    bootstrap = start(
        "import os, time\ndef handler(e, c): return [os.environ['NAME'], time.tzname[0]]", NAME="x"
    )
    assert bootstrap.ready().call() == ["x", "UTC"]

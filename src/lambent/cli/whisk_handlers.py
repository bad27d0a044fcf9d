"""The handlers that stand before OpenWhisk's actions when they are exported as Lambda functions."""

PYTHON = '''"""OpenWhisk's action {name} as a Lambda function."""

import importlib.util
import json
import os

PARAMETERS = json.loads({parameters})
os.environ.setdefault("__OW_ACTION_NAME", {name})

_source = os.path.join(os.path.dirname(__file__), "__main__.py")
_spec = importlib.util.spec_from_file_location("main__", _source)
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)


def handler(event, context):
    os.environ["__OW_ACTIVATION_ID"] = context.aws_request_id.replace("-", "")
    return getattr(_module, {main})({{**PARAMETERS, **(event or {{}})}})
'''
JAVASCRIPT = """// OpenWhisk's action {name} as a Lambda function.
const PARAMETERS = JSON.parse({parameters});
process.env.__OW_ACTION_NAME ??= {name};
const action = require("./{module}");

exports.handler = async (event, context) => {{
  process.env.__OW_ACTIVATION_ID = context.awsRequestId.replaceAll("-", "");
  return action[{main}]({{ ...PARAMETERS, ...event }});
}};
"""
# What makes an inline action's function a module's.
EXPORTED = '\nif (typeof {main} === "function") module.exports.{main} = {main};\n'
EXECUTABLE = '''"""OpenWhisk's action {name}, the executable `exec` beside this file, as a Lambda function."""

import json
import os
import shutil
import subprocess

PARAMETERS = json.loads({parameters})
ARGUMENT_BYTES = 131071
os.environ.setdefault("__OW_ACTION_NAME", {name})

_program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "exec")
if not os.access(_program, os.X_OK):
    _program = shutil.copy(_program, "/tmp/exec")
    os.chmod(_program, 0o755)


def handler(event, context):
    os.environ["__OW_ACTIVATION_ID"] = context.aws_request_id.replace("-", "")
    given = json.dumps({{**PARAMETERS, **(event or {{}})}})
    arguments = [given] if len(given.encode()) <= ARGUMENT_BYTES else []
    done = subprocess.run([_program, *arguments], input=given, stdout=subprocess.PIPE, text=True)
    *logged, last = done.stdout.splitlines() or [""]
    for line in logged:
        print(line)
    try:
        answer = json.loads(last)
    except ValueError:
        answer = None
    if not isinstance(answer, (dict, list)):
        raise RuntimeError("The action did not return a dictionary or array.")
    return answer
'''
SEQUENCE = '''"""OpenWhisk's sequence {name} as a Lambda function: it calls its parts in turn."""

import json

import boto3
from botocore.config import Config

PARTS = json.loads({parts})
client = boto3.client("lambda", config=Config(read_timeout={timeout}, retries={{"total_max_attempts": 1}}))


def handler(event, context):
    answer = event or {{}}
    for part in PARTS:
        called = client.invoke(FunctionName=part, Payload=json.dumps(answer))
        answer = json.load(called["Payload"])
        if "FunctionError" in called:
            raise RuntimeError(part + ": " + str((answer or {{}}).get("errorMessage")))
        if not isinstance(answer, (dict, list)):
            answer = {{"value": answer}}
        if "error" in answer:
            break
    return answer
'''

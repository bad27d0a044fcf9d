"""Becomes a runtime's program inside the sandbox, after the node has got the socket of its Runtime API.

Runs in a fork of a zygote, or as a plain child; imports nothing of ours. Once the program runs, the control
socket is closed: everything else is said over the Runtime API.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import typing

PORT = 9001  # as on AWS, in a network of the sandbox's own
BACKLOG = 16
# Frames on the control socket, as in runtimes/python/frames.py; LISTENING carries the socket.
HEADER = struct.Struct("!BII")
INIT_ERROR, LISTENING = 11, 15
LIBRARY_PATH = (
    "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
)
INVALID_ENTRYPOINT = "Runtime.InvalidEntrypoint"


def main(
    control_fd: int,
    environment: typing.Mapping[str, str],
    port: int = PORT,
    layers: typing.Sequence[str] = ("/opt",),
) -> int:
    """Returns only when there is no program to become: the exit status."""
    os.set_inheritable(control_fd, False)
    control = socket.socket(fileno=control_fd)
    address = listen(control, port)
    own = {"LD_LIBRARY_PATH": LIBRARY_PATH, **environment, "AWS_LAMBDA_RUNTIME_API": address}
    os.chdir(own["LAMBDA_TASK_ROOT"])
    problem = become([own.get("LAMBDA_RUNTIME_DIR", "/var/runtime"), os.getcwd(), *layers], own)
    told = json.dumps({"errorType": INVALID_ENTRYPOINT, "errorMessage": f"RequestId:  Error: {problem}"})
    control.sendall(HEADER.pack(INIT_ERROR, 0, len(told)) + told.encode())
    return 1


def listen(control: socket.socket, port: int) -> str:
    """Open the socket here, where the program can reach it, and hand it over; returns its address."""
    with socket.create_server(("127.0.0.1", port), backlog=BACKLOG) as listener:
        socket.send_fds(control, [HEADER.pack(LISTENING, 0, 0)], [listener.fileno()])
        host, number = listener.getsockname()
        return f"{host}:{number}"


def become(folders: typing.Sequence[str], environment: typing.Mapping[str, str]) -> str:
    """Run the first bootstrap in these folders in place of this process; returns why it could not be."""
    tried = [os.path.join(folder, "bootstrap") for folder in folders]
    path = next(filter(os.path.isfile, tried), None)
    if path is None:
        return f"Couldn't find valid bootstrap(s): [{' '.join(tried[1:])}]"
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would keep that
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(path, [path], environment)
    except OSError as error:
        return f"fork/exec {path}: {os.strerror(error.errno or 0).lower()}"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), os.environ, 0, sys.argv[2:]))

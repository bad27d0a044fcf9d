"""Becomes a runtime's program inside the sandbox, after the node has got the socket of its Runtime API.

Runs in a fork of a zygote, or as a plain child; imports nothing of ours. Once the program runs, the control
socket is closed: everything else is said over the Runtime API. Where layers bring extensions, this process
stays, with the control socket, as the parent of them and of the runtime.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import sys
import typing

PYTHON = "/.lambent/python"  # where the bootstrap is of a Python that is not forked
IMAGE = "_LAMBENT_IMAGE"  # a variable: how an image's program is started, as JSON; no program sees it
PORT = 9001  # as on AWS, in a network of the sandbox's own
BACKLOG = 16
EXTENSIONS = 10  # AWS starts no more
# Frames on the control socket, as in runtimes/python/frames.py. LISTENING names the extensions, and carries
# the listening socket, the pipe that extensions print to where there are any, and sockets for telemetry.
# ENDED tells which extension is gone; without a name it is the runtime.
HEADER = struct.Struct("!BII")
INIT_ERROR, LISTENING, ENDED = 11, 15, 16
# What the node says, where there are extensions: start the runtime, end it, kill it, leave as it has ended.
RUN, END, KILL, LEAVE = b"R", b"E", b"K", b"L"
LIBRARY_PATH = (
    "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
)
IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)  # by Python, and exec would keep that
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
    extensions = [path for folder in layers for path in executables(os.path.join(folder, "extensions"))]
    extensions = extensions[:EXTENSIONS]
    printed, output = os.pipe() if extensions else (-1, -1)
    address = listen(control, port, [os.path.basename(path) for path in extensions], printed)
    own = {"LD_LIBRARY_PATH": LIBRARY_PATH, **environment, "AWS_LAMBDA_RUNTIME_API": address}
    try:
        command = of_image(own) if IMAGE in own else of_package(own, layers)
        problem = ""
    except OSError as error:
        command, problem = [], str(error)
    if extensions:
        return Parent(control, own, output).run(extensions, command, problem)
    refuse(control, become(command, own) if command else problem)
    return 1


def of_package(environment: typing.Mapping[str, str], layers: typing.Sequence[str]) -> list[str]:
    """The bootstrap of a zip or a layer, or of our own. Raises OSError, in AWS's words."""
    os.chdir(environment["LAMBDA_TASK_ROOT"])
    own = [PYTHON, environment.get("LAMBDA_RUNTIME_DIR", "/var/runtime")]
    searched = [os.path.join(folder, "bootstrap") for folder in (*own, os.getcwd(), *layers)]
    found = next(filter(os.path.isfile, searched), None)
    if found is None:
        raise OSError(f"Couldn't find valid bootstrap(s): [{' '.join(searched[len(own) :])}]")
    return [found]


def of_image(environment: dict[str, str]) -> list[str]:
    """What an image says, or the function of it; only the node gives it. Raises OSError."""
    given = json.loads(environment.pop(IMAGE))
    if not given["libraries"]:
        del environment["LD_LIBRARY_PATH"]
    os.chdir(given["folder"])
    if not given["argv"]:
        raise OSError("neither the image nor the function names an entry point")
    program, *arguments = given["argv"]
    if "/" not in program:
        found = shutil.which(program, path=environment.get("PATH", os.defpath))
        if found is None:
            raise OSError(f'exec: "{program}": executable file not found in $PATH')
        program = found
    return [program, *arguments]


def listen(control: socket.socket, port: int, extensions: typing.Sequence[str], printed: int) -> str:
    """Open sockets here, where programs can reach them, and hand them over; returns the listener's address.

    The others are for the node to send telemetry by: one for each extension, and one for the runtime's own.
    """
    meta = json.dumps({"extensions": extensions}).encode()
    senders = [socket.socket() for _ in range(len(extensions) + 1)]
    pipes = [printed] if extensions else []
    with socket.create_server(("127.0.0.1", port), backlog=BACKLOG) as listener:
        descriptors = [listener.fileno(), *pipes, *(sender.fileno() for sender in senders)]
        socket.send_fds(control, [HEADER.pack(LISTENING, len(meta), 0) + meta], descriptors)
        host, number = listener.getsockname()
    for descriptor in pipes:
        os.close(descriptor)
    for sender in senders:
        sender.close()
    return f"{host}:{number}"


def executables(folder: str) -> list[str]:
    try:
        paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except OSError:
        return []
    return [path for path in paths if os.path.isfile(path)]


def refuse(control: socket.socket, problem: str) -> None:
    """Tell the node that there is no program to run."""
    told = json.dumps({"errorType": INVALID_ENTRYPOINT, "errorMessage": f"RequestId:  Error: {problem}"})
    control.sendall(HEADER.pack(INIT_ERROR, 0, len(told)) + told.encode())


def become(command: list[str], environment: typing.Mapping[str, str]) -> str:
    """Run the program in place of this process; returns why it could not be."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execve(command[0], command, environment)
    except OSError as error:
        return failure(command[0], error)


def failure(path: str, error: OSError) -> str:
    return f"fork/exec {path}: {os.strerror(error.errno or 0).lower()}"


class Parent:
    """Starts extensions, and when the node says so the runtime, as whose end its own looks."""

    def __init__(self, control: socket.socket, environment: typing.Mapping[str, str], output: int) -> None:
        self.control = control
        self.environment = environment
        self.output = output  # of the extensions
        self.extensions: dict[int, str] = {}  # those that run, by pid
        self.runtime = 0
        self.ending = False
        self.status = 0  # of a runtime that ended by itself

    def run(self, extensions: typing.Sequence[str], command: list[str], problem: str) -> int:
        """Returns only when the runtime could not be started, or the node is gone: the exit status.

        Without a command there is a problem to tell.
        """
        wakes, woken = socket.socketpair()
        wakes.setblocking(False)
        woken.setblocking(False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)  # children get the default back when they exec
        signal.set_wakeup_fd(woken.fileno())
        for path in extensions:
            self.start_extension(path)
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(wakes, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            if wakes.fileno() in ready:
                wakes.recv(64)
                self.reap()
            if self.control.fileno() in ready and not self.obey(self.control.recv(1), command, problem):
                return 1

    def start_extension(self, path: str) -> None:
        name = os.path.basename(path)
        try:
            self.extensions[self.spawn([path], self.output)] = name
        except OSError as error:
            self.told_ended(name, failure(path, error))

    def obey(self, word: bytes, command: list[str], problem: str) -> bool:
        """False when there is nothing more to do."""
        if word == RUN:
            try:
                if command:
                    self.runtime = self.spawn(command, 1)
                    return True
            except OSError as error:
                problem = failure(command[0], error)
            refuse(self.control, problem)
            return True
        if word == LEAVE:
            leave(self.status)
        if word in (END, KILL):
            self.ending = True
            if self.runtime and word == KILL:
                with contextlib.suppress(ProcessLookupError):  # it has gone into another group
                    os.killpg(self.runtime, signal.SIGKILL)
            if self.runtime:
                os.kill(self.runtime, signal.SIGKILL if word == KILL else signal.SIGTERM)
            return True
        return False

    def spawn(self, command: list[str], output: int) -> int:
        """In a process group of its own, which can be killed without those who are told of it."""
        streams = [(os.POSIX_SPAWN_DUP2, output, stream) for stream in (1, 2)]
        return os.posix_spawn(
            command[0], command, self.environment, file_actions=streams, setsigdef=IGNORED, setpgroup=0
        )

    def reap(self) -> None:
        while self.runtime or self.extensions:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid == self.runtime:
                self.runtime = 0
                if not self.ending:
                    self.ending, self.status = True, status
                    self.told_ended("", "")
            elif pid in self.extensions:
                how = f"exit status {os.WEXITSTATUS(status)}"
                if os.WIFSIGNALED(status):
                    how = f"signal {os.WTERMSIG(status)}"
                self.told_ended(self.extensions.pop(pid), how)
        if self.ending:
            leave(self.status)

    def told_ended(self, name: str, how: str) -> None:
        meta = json.dumps({"name": name, "how": how}).encode()
        self.control.sendall(HEADER.pack(ENDED, len(meta), 0) + meta)


def leave(status: int) -> typing.NoReturn:
    """End as the runtime did."""
    if os.WIFSIGNALED(status):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), os.environ, 0, sys.argv[2:]))

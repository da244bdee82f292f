"""A warm interpreter: `python warm.py FD LIBRARY...` loads libraries and forks a child for each `python -m` command.

A child has the command's own arguments, folder, environment, output and session, as if it had been started afresh.
Only libraries are loaded here and never the project's code, so an edit of that is seen by the next child.
FD is a Unix socket; when it closes, the interpreter ends.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass

REQUEST_BYTES = 1 << 20


@dataclass(frozen=True)
class Request:
    """A module to run as `python -m` does, and its surroundings.

    `output` and `status` are file descriptors: its output goes to the one, its pid and exit code, a line each, to the
    other.
    """

    words: list[str]
    folder: str
    environment: dict[str, str]
    output: int
    status: int


def serve(control: socket.socket) -> Request | None:
    """Fork a child for each request. It returns in the child, with its request, and here when all is over."""
    awake, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    statuses: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([control, awake], [], [])
        if awake in readable:
            os.read(awake, 4096)
            _report_ended(statuses)
        if control in readable:
            message, fds, _, _ = socket.recv_fds(control, REQUEST_BYTES, 2)
            if not message:
                return None
            request = Request(*json.loads(message), *fds)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                control.close()
                for fd in (awake, wake, request.status, *statuses.values()):
                    os.close(fd)
                return request
            os.close(request.output)
            statuses[pid] = request.status
            _write(request.status, pid)


def become(request: Request) -> None:
    """Be the process that the request asks for."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, standard in ((nothing, 0), (request.output, 1), (request.output, 2)):
        os.dup2(fd, standard)
    os.close(nothing)
    os.close(request.output)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    sys.path.insert(0, request.folder)
    sys.argv = request.words
    runpy.run_module(request.words[0], run_name="__main__", alter_sys=True)


def _report_ended(statuses: dict[int, int]) -> None:
    """Write the exit code of every child that has ended; a negative one is that of a signal."""
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            status = statuses.pop(ended[0])
            _write(status, os.waitstatus_to_exitcode(ended[1]))
            os.close(status)


def _write(fd: int, number: int) -> None:
    with suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(fd, f"{number}\n".encode())


def main() -> None:
    """Serve on the socket whose file descriptor is the first argument."""
    with suppress(ValueError):  # with PYTHONSAFEPATH it is not there
        sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    for library in sys.argv[2:]:
        with suppress(ImportError):
            importlib.import_module(library)
    gc.collect()
    gc.freeze()  # what is loaded stays shared with the children
    request = serve(socket.socket(fileno=int(sys.argv[1])))
    if request is not None:
        become(request)


if __name__ == "__main__":
    main()

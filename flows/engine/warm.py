"""A warm interpreter: `python warm.py FD LIBRARY...` loads libraries and forks a child for each `python -m` command.

A child has the command's own arguments, folder, environment, output and session, as if it had been started afresh.
Only libraries are loaded here and never the project's code, so an edit of that is seen by the next child. A command
that comes while they are being loaded starts with those there are, and loads what else it needs itself.
FD is a Unix socket; when it closes, the interpreter ends.
"""

import atexit
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress

REQUEST_BYTES = 1 << 20


def serve(control: socket.socket, libraries: list[str]) -> tuple[list[str], str, dict[str, str], int] | None:
    """Load the libraries and fork a child for each request: what follows `python -m`, its folder and environment, and
    two file descriptors. The child's output goes to the first; its pid and then its exit code, negative for a signal's,
    to the second with what it took, in seconds of processor time and as `ru_maxrss`. In the child it returns the
    request, and the first descriptor; here None, when all is over."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that wait for a child
    while True:
        while libraries and not select.select([control], [], [], 0)[0]:
            load(libraries.pop(0))
        message, fds, _, _ = socket.recv_fds(control, REQUEST_BYTES, 2)
        if not message:
            return None
        gc.freeze()  # what is loaded stays shared with the children
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child = os.fork()
            if child == 0:
                os.close(fds[1])
                return (*json.loads(message), fds[0])
            os.close(fds[0])
            with suppress(BrokenPipeError):  # nobody waits for it any more
                os.write(fds[1], b"%d\n" % child)
                _, status, took = os.wait4(child, 0)
                code, cpu_seconds = os.waitstatus_to_exitcode(status), took.ru_utime + took.ru_stime
                os.write(fds[1], b"%d %f %d\n" % (code, cpu_seconds, took.ru_maxrss))
            os._exit(0)
        for fd in fds:
            os.close(fd)


def load(library: str) -> None:
    """Import it, if it is there."""
    with suppress(ImportError):
        module = importlib.import_module(library)
        if library == "numba":  # it sets itself up when it compiles for the first time,
            module.njit(lambda: None)()
        if library == "pydantic":  # and it imports most of itself for the first model
            module.create_model("First", field=(int, 0))


def become(words: list[str], folder: str, environment: dict[str, str], output: int) -> None:
    """Be the process that was asked for."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(fd, standard)
    os.close(nothing)
    os.close(output)
    for name in ("stdout", "stderr"):  # the old ones know the file that the flow writes to; a pipe has no position
        old = getattr(sys, name)
        new = open(old.fileno(), "w", 1, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, new)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def leave() -> None:
    """The last thing that the process does before it takes all modules apart: that is left out, for it takes as long as
    importing some of them. What files hold back is written first, as it would be then."""
    if is_over:
        for thing in gc.get_objects():
            if issubclass(type(thing), io.IOBase):
                with suppress(OSError, ValueError):  # it is closed, or nobody reads it any more
                    thing.flush()
        os._exit(0)


if __name__ == "__main__":
    is_over = False
    atexit.register(leave)  # before any other, so it is called after all others
    with suppress(ValueError):  # with PYTHONSAFEPATH it is not there
        sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    request = serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
    if request is not None:
        become(*request)
    is_over = True

"""Starts a command under a guard (`flows.guard`), and ends what is left of it should the guard itself be killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from flows import guard


@contextmanager
def guarded(command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen]:
    """A guard that runs the command; its output, errors included, is the guard's `stdout`, to be read to its end.

    Closing the guard's `stdin` ends all at once. `returncode` is there when this is over: what `guard.guard` returns,
    or the negative number of the signal that killed the guard. All processes of the command are gone then.
    """
    ended, held = os.pipe()  # the guard alone holds the writing end
    guard_process = subprocess.Popen(
        [sys.executable, guard.__file__, *command],
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=[held],
    )
    os.close(held)
    with guard_process:
        ending = Thread(target=_kill_group_after, args=(ended, guard_process.pid))
        ending.start()
        try:
            yield guard_process
        except BaseException:
            guard_process.stdin.close()
            raise
        finally:
            ending.join()
            os.close(ended)


def _kill_group_after(ended: int, group: int) -> None:
    """The guard is waited for only after this, so the number is still that of its group and of no other's."""
    os.read(ended, 1)
    with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS's word for a group of the dead
        os.killpg(group, signal.SIGKILL)

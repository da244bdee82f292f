"""First on PYTHONPATH, this kills its process (SIGKILL) right after it prints a line that holds $KILL_AT_LINE.

A test that reads the line and then sends the signal comes too late when the machine is busy: the stage has gone on.
"""

import builtins
import os
import signal

line = os.environ.get("KILL_AT_LINE")
real_print = builtins.print


def print_and_die(*values, **options) -> None:
    real_print(*values, **options)
    if any(line in str(value) for value in values):
        os.kill(os.getpid(), signal.SIGKILL)


if line:
    builtins.print = print_and_die

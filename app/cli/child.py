"""
Becomes another program, which the system then ends together with its parent: `PARENT_PID PROGRAM ARGUMENTS...`.

Only Linux can do that. The wish outlives `exec`, so it is made here, in a process with a single thread,
and not between `fork` and `exec` of a parent that has many.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent_pid, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    # A parent that died before the wish was made sends no signal any more.
    if os.getppid() != int(parent_pid):
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  # nosec B606  # our own command, no shell


if __name__ == "__main__":
    main()

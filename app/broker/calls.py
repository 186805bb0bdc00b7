"""
When a process looks for entries that nobody works on, and who notices that there are some.

A look (`lua/sweep.lua`) is not a poll: it says when the next one can find something. As long as nothing of
a queue is pending, nothing can lapse within a lease, so that is how long everybody may wait; while something
is pending, the next look is due when the entry that was silent for longest would lapse. The lifetime of the
sweep lock is this appointment, for the whole fleet: who comes earlier learns when to come.

    what happens                                who notices                             when
    ------------------------------------------  --------------------------------------  ---------------------
    a worker is killed, frozen or cut off       the look at the moment of the lapse     lapse + about 1 s
    a message runs past its deadline            the same: its renewals have ended       the same
    hooks failed, decision given up             the same                                the same
    an owner that is on no list                 the same: the group is asked, no list   the same
    more than a hundred are pending             one look per second, by the cursor      a second per 10,000
    an entry is released                        the script calls: `release:<queue>`     at once
    the reply of a fetch is lost                its reader releases what it does not    at once, or after the
                                                know, when it is connected again        socket timeout
    a look finds more than there is room for    the script calls: `sweep:<queue>`       at once, else as soon
                                                                                        as there is room
    a queue is paused or resumed                `pause:<queue>`, `resume:<queue>`       at once
    a call is missed, the channel was lost      who subscribes anew looks at all        at once
    the channel hangs                           the ear asks after 2 s of silence       the socket timeout
    a call is never made, the lock is lost      any look                                10 s or a lease
    a worker starts                             its first look                          at once
"""

RELEASE_PREFIX = "release:"
#: A reader follows a release no more often than this: two that hand the same entry back and forth must not spin.
RELEASE_PAUSE_S = 1.0


class Calls:
    """Whether the readers of one queue in this process were called to look before the time; any thread calls."""

    def __init__(self) -> None:
        self._pause_s: float | None = None

    @property
    def called(self) -> bool:
        return self._pause_s is not None

    def call(self, pause_s: float = 0.0) -> None:
        """`pause_s` is how long after its last look a reader may follow."""
        self._pause_s = pause_s if self._pause_s is None else min(pause_s, self._pause_s)

    def hear(self, said: str) -> None:
        """What was said on the wake channel about this queue; a pause or its end asks for a look as well."""
        self.call(RELEASE_PAUSE_S if said.startswith(RELEASE_PREFIX) else 0.0)

    def due_s(self, looked_s: float, planned_s: float) -> float:
        """When to look, after the last look and the plan made then."""
        pause_s = self._pause_s
        return planned_s if pause_s is None else min(planned_s, looked_s + pause_s)

    def answered(self) -> None:
        """Said before a look begins: who calls during it calls for the next one."""
        self._pause_s = None

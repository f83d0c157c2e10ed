"""CUBIC (RFC 9438), in integers, so that it gives the same window on every machine."""

from __future__ import annotations

from typing import ClassVar

from stack.tcp.congestion.base import CongestionControl, Settings

_C = (4, 10)
"""C = 0.4 segments per second cubed (RFC 9438 5)."""
_BETA = (7, 10)
"""beta_cubic = 0.7 (RFC 9438 4.6)."""
_BETA_ECN = (17, 20)
"""beta_ecn = 0.85 (RFC 8511 3.1)."""
_ALPHA = (9, 17)
"""alpha_cubic = 3 (1 - beta) / (1 + beta) (RFC 9438 4.3)."""
_FAST_CONVERGENCE = (17, 20)
"""(1 + beta) / 2 (RFC 9438 4.7)."""
_SECOND_CUBED = 10**27


def cube_root(value: int) -> int:
    """The integer part of the cube root of ``value >= 0``."""
    if value == 0:
        return 0
    root = 1 << (value.bit_length() + 2) // 3
    while True:
        better = (2 * root + value // (root * root)) // 3
        if better >= root:
            return root
        root = better


class Cubic(CongestionControl):
    """The window follows a cubic function of the time since the last reduction."""

    __slots__ = (
        "_credit",
        "_epoch",
        "_est_credit",
        "_grown_at",
        "_k",
        "_undo",
        "_w_est",
        "_w_max",
        "_was_limited",
    )

    name: ClassVar[str] = "cubic"

    def __init__(self, mss: int, initial_window: int, settings: Settings | None = None) -> None:
        super().__init__(mss, initial_window, settings)
        self._w_max = 0
        self._epoch: int | None = None
        self._grown_at = 0
        self._was_limited = False
        self._k = 0
        self._w_est = 0
        self._credit = 0
        self._est_credit = 0
        self._undo: tuple[int, int, int, int | None] | None = None

    def w_cubic(self, elapsed: int) -> int:
        """W_cubic(t) in octets, ``elapsed`` ns into the current epoch (RFC 9438 4.2, figure 1)."""
        t = elapsed - self._k
        return _C[0] * self.mss * t * t * t // (_C[1] * _SECOND_CUBED) + self._w_max

    def avoid_congestion(self, octets: int, now: int, rtt: int) -> None:
        """RFC 9438 4.2 to 4.5."""
        if self._epoch is None:
            self._begin_epoch(now)
        assert self._epoch is not None
        if self._was_limited:
            # What the application did not use of the epoch is not part of it (RFC 9438 4.2, 5.8).
            self._epoch += now - self._grown_at
            self._was_limited = False
        self._grown_at = now
        self._grow_reno_friendly(octets)
        elapsed = now - self._epoch
        target = min(max(self.w_cubic(elapsed + rtt), self.cwnd), self.cwnd * 3 // 2)
        if self.w_cubic(elapsed) < self._w_est:
            self.cwnd = max(self.cwnd, self._w_est)
            return
        # (target - cwnd) / cwnd for each segment acknowledged; what does not make an octet is kept.
        grown, self._credit = divmod(self._credit + (target - self.cwnd) * octets, self.cwnd)
        self.cwnd += grown

    def reduced_window(self, now: int) -> int:
        """RFC 9438 4.6."""
        return self._fall(_BETA)

    def marked_window(self, now: int) -> int:
        """RFC 8511 3.1."""
        return self._fall(_BETA_ECN)

    def _fall(self, beta: tuple[int, int]) -> int:
        """``beta`` of the window; less is remembered of it if it had not got back to W_max (RFC 9438 4.7)."""
        if self.cwnd < self._w_max:
            self._w_max = self.cwnd * _FAST_CONVERGENCE[0] // _FAST_CONVERGENCE[1]
        else:
            self._w_max = self.cwnd
        self._epoch = None
        return self.cwnd * beta[0] // beta[1]

    def remember(self) -> None:
        """The curve goes on where it was, if the reduction is undone (RFC 9438 4.9)."""
        super().remember()
        self._undo = self._w_max, self._k, self._w_est, self._epoch

    def undo(self) -> None:
        """RFC 9438 4.9.1, 4.9.2."""
        super().undo()
        if self._undo is not None:
            self._w_max, self._k, self._w_est, self._epoch = self._undo
            self._undo = None

    def timeout(self, now: int, *, first: bool) -> None:
        """After a timeout the cubic function starts anew, at K = 0 (RFC 9438 4.8)."""
        super().timeout(now, first=first)
        self._w_max = 0
        self._epoch = None

    def application_limited(self) -> None:
        """The curve waits until the window is in use again (RFC 9438 5.8)."""
        self._was_limited = True

    def restart(self, window: int) -> None:
        """The time that the connection was idle is not part of an epoch (RFC 9438 4.2)."""
        super().restart(window)
        self._epoch = None

    def change_mss(self, mss: int) -> None:
        """The remembered windows keep their number of segments, too."""
        self._w_max = self._w_max * mss // self.mss
        super().change_mss(mss)
        self._epoch = self._undo = None

    def _begin_epoch(self, now: int) -> None:
        self._epoch = self._grown_at = now
        self._was_limited = False
        self._credit = self._est_credit = 0
        self._w_est = self.cwnd
        if self.cwnd < self._w_max:
            missing = (self._w_max - self.cwnd) * _C[1] * _SECOND_CUBED // (_C[0] * self.mss)
            self._k = cube_root(missing)
        else:
            self._k = 0
            self._w_max = self.cwnd

    def _grow_reno_friendly(self, octets: int) -> None:
        """W_est of RFC 9438 4.3.

        Alpha stays as it is when W_est has grown to where the window was before, as in Linux; the RFC would have it 1
        from there on, which makes the flow a fifth faster than Reno on a path that loses one segment in thirty.
        """
        grown, self._est_credit = divmod(
            self._est_credit + _ALPHA[0] * self.mss * octets, _ALPHA[1] * self.cwnd
        )
        self._w_est += grown

"""Facts, once: what happened to each request and in each span. Nobody reads them during a run.

Facts are kept as flat integer columns, so that a million requests stay small.
"""

from array import array
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING

from kvsim.sim.span import PLAIN, TICK
from kvsim.units import Ns

if TYPE_CHECKING:
    from kvsim.sim.engine import Engine
    from kvsim.sim.fabric import Link
    from kvsim.sim.sequence import Sequence
    from kvsim.sim.span import Span
    from kvsim.sim.tier import Tier

NOBODY = -1
"""No request's id: a row about all of them."""
NEVER = -(1 << 62)
"""Stands for "has not happened" in an integer column; null outside."""

REQUEST_COLUMNS = (
    "id", "session", "turn", "replica_prefill", "replica_decode", "prompt_tokens",
    "output_tokens", "generated", "arrival", "admitted", "first_token", "finish", "hit_hbm",
    "hit_dram", "hit_ssd", "hit_remote", "preemptions", "recomputed", "queue", "load", "other",
    "paused",
)  # fmt: skip
SPAN_COLUMNS = (
    "replica", "start", "end", "steps", "decodes", "sampled", "chunk_tokens", "context", "running",
    "waiting", "kv_leased", "kv_cached", "first", "growth", "extrapolated", "flops", "bytes",
)  # fmt: skip
LOOKUP_COLUMNS = ("request", "tier", "place", "kind", "start", "limit", "tokens", "at")
TRANSFER_COLUMNS = (
    "request", "tier", "place", "replica", "why", "head", "tokens", "bytes", "path", "sent",
    "began", "landed",
)  # fmt: skip
HANDOFF_COLUMNS = ("request", "source", "target", "bytes", "path", "offered", "began", "landed")
PREEMPTION_COLUMNS = ("request", "replica", "cause", "at")
RESAMPLED_COLUMNS = ("request", "since", "at")
CLAIM_COLUMNS = ("request", "replica", "at", "stored", "room", "published", "read", "held")
STAY_COLUMNS = ("request", "replica", "first", "last")
FLEET_COLUMNS = ("replica", "at", "state")
OFF, STARTING, UP, DRAINING = range(4)
"""States of a replica whose pool changes its size."""
CAST_COLUMNS = ("replica", "at", "role")
ROLES = ("prefill", "decode", "mixed")
LEVEL_COLUMNS = ("tier", "place", "at", "held", "arriving")


def _packing(columns: tuple[str, ...]) -> Callable[..., bytes]:
    """A row as bytes, which an array takes in a third of the time of as many numbers."""
    return Struct(f"{len(columns)}q").pack


REQUEST_ROW, SPAN_ROW = _packing(REQUEST_COLUMNS), _packing(SPAN_COLUMNS)
LOOKUP_ROW, TRANSFER_ROW = _packing(LOOKUP_COLUMNS), _packing(TRANSFER_COLUMNS)

TIERS = ("hbm", "dram", "ssd", "remote")
"""Names of tiers, fastest first; columns have their place in this list."""
LOOKUP, AGAIN, KEPT = range(3)
"""Kinds of look-ups: the one that counts as a hit or not, a later one, and what is kept after."""
WHY = (
    "load", "prefill", "every", "end", "leaving", "backlog", "room", "ahead", "swap_out", "swap_in",
)  # fmt: skip
"""Why bytes moved: a request waited for them; they were stored when a prompt was complete, when
some more of an answer was, when a request had finished, or because they were next to leave the
store above; why a store was refused, and they did not: the tier had fallen behind, or all it held
was in use; or they were copied from a slower tier ahead of a waiting request's turn; or somebody
preempted left HBM, or came back."""


CAUSES = ("decode", "prompt", "scheduler", "failure")
"""Why a request lost its memory: there was no room for the next tokens of those who decode, or for
a prompt; the scheduler wanted it so; its replica failed."""


class Recorder:
    """Listens to the machine."""

    def __init__(self, follows_tokens: bool = False, follows_claims: bool = False) -> None:
        self.follows_tokens = follows_tokens
        """Whether it hears of stays, by which each request's tokens can be told apart."""
        self.follows_claims = follows_claims
        """Whether it hears what each request's room is and how much of it is in use."""
        self.requests = array("q")
        self.spans = array("q")
        self.clients: list[str] = []
        self.kinds: list[str] = []
        self.statuses: list[str] = []
        self.reasons: dict[int, str] = {}
        """Why a request was rejected, by its row."""
        self.resampled = array("q")
        self.stays = array("q")
        self.claims = array("q")
        self.stalls: list[tuple[Ns, Ns, int]] = []
        """Time between two tokens of sequences that were held or suspended between them, the last
        step's time in it, and how many sequences."""
        self.blocks = array("q")
        """Labels of all requests, one after another."""
        self.labelled = array("q")
        """Per request: where its labels end in `blocks`, and tokens of a label."""
        self.lookups = array("q")
        self.transfers = array("q")
        self.levels = array("q")
        self.handoffs = array("q")
        self.preemptions = array("q")
        self.fleet = array("q")
        self.casts = array("q")
        self.paths: list[tuple[str, ...]] = []
        """Links that transfers have taken."""
        self.wires: dict[tuple[str, ...], int] = {}
        """Links that hand-offs have taken, and the number of each such path."""
        self.arrived = 0
        self.finished_count = 0
        self.rejected_count = 0

    def finished(self, sequence: "Sequence", now: Ns) -> None:
        """`sequence` took its last token."""
        self.finished_count += 1
        self._request(sequence, now, "finished")

    def rejected(self, sequence: "Sequence", reason: str) -> None:
        """`sequence` can never be served."""
        self.rejected_count += 1
        self.reasons[len(self.statuses)] = reason
        self._request(sequence, NEVER, "rejected")

    def unfinished(self, sequence: "Sequence") -> None:
        """The run ended before `sequence` did."""
        self._request(sequence, NEVER, "waiting" if sequence.leaf is None else "running")

    def span(self, engine: "Engine", span: "Span", steps: int) -> None:
        """`engine` has taken `steps` steps of `span`."""
        work, pace = span.work, span.pace
        memory, timing = engine.memory, engine.timing
        flops, more_flops = timing.flops(work)
        moved, more_moved = timing.bytes_moved(work)
        pairs = steps * (steps - 1) // 2
        self.spans.frombytes(
            SPAN_ROW(
                engine.index,
                span.start >> TICK,
                span.boundary(steps) >> TICK,
                steps,
                work.decodes,
                work.sampled,
                sum(chunk.tokens for chunk in work.chunks),
                work.contexts[0] if work.contexts else 0,
                engine.running_requests,
                len(engine.waiting),
                memory.private + memory.tree.locked,
                memory.tree.bytes - memory.tree.locked,
                pace.first * span.stretch // PLAIN,
                pace.growth * span.stretch // PLAIN,
                pace.extrapolated,
                int(flops * steps + more_flops * pairs),
                int(moved * steps + more_moved * pairs),
            )
        )

    def sampled_again(self, sequence: "Sequence", now: Ns) -> None:
        """A prompt computed again, or with a tool's answer, ends with a token at `now`."""
        since = NEVER if sequence.silent is None else sequence.silent
        self.resampled.extend((sequence.id, since, now))

    def stayed(self, replica: int, sequence: "Sequence", last: int) -> None:
        """`sequence` took a token at each decode step of `replica` after one, up to `last`."""
        self.stays.extend((sequence.id, replica, sequence._joined, last))

    def claimed(
        self, request: int, replica: int, now: Ns, stored: int, room: int, published: int,
        read: int, held: int,
    ) -> None:  # fmt: skip
        """A request has `room` for tokens, NEVER if none any more; the prefix tree holds bytes."""
        self.claims.extend((request, replica, now, stored, room, published, read, held))

    def looked_up(
        self, sequence: "Sequence", tier: int, place: int, start: int, limit: int, now: Ns
    ) -> None:
        """A tier is asked for tokens [start, limit) of `sequence`.

        `place` is the replica, or the node, whose tier it is.
        """
        request = sequence.request
        if request.blocks:
            kind = LOOKUP if sequence.hits is None else AGAIN
            tokens = sequence.target
            row = LOOKUP_ROW(request.id, tier, place, kind, start, limit, tokens, now)
            self.lookups.frombytes(row)

    def kept(self, sequence: "Sequence", tier: int, place: int, tokens: int, now: Ns) -> None:
        """The first `tokens` of `sequence` are offered to a tier, to be kept for reuse."""
        request = sequence.request
        if request.blocks:
            row = LOOKUP_ROW(request.id, tier, place, KEPT, 0, 0, tokens, now)
            self.lookups.frombytes(row)

    def path(self, links: tuple[str, ...]) -> int:
        """The number of a path, for `sent`."""
        if links not in self.paths:
            self.paths.append(links)
        return self.paths.index(links)

    def sent(
        self, request: int, tier: "Tier", replica: int, why: str, head: int, tokens: int,
        size: int, path: int, now: Ns, began: Ns,
    ) -> int:  # fmt: skip
        """Tokens [head, head + tokens) of `request` are sent over `path`, or refused.

        `began` is when the first byte flows, at the earliest. Returns the row, for `landed`.
        """
        return self._sent(
            request, tier.rank, tier.place, replica, why, head, tokens, size, path, now, began
        )

    def swapped(
        self, sequence: "Sequence", place: int, replica: int, why: str, size: int,
        path: "tuple[Link, ...]", now: Ns,
    ) -> int:  # fmt: skip
        """`size` bytes of `sequence` begin to move to or from the DRAM of node `place`."""
        number = self.path(tuple(link.name for link in path))
        began = now + sum(link.latency for link in path)
        return self._sent(
            sequence.id, TIERS.index("dram"), place, replica, why, 0, sequence.computed, size,
            number, now, began,
        )  # fmt: skip

    def _sent(self, request: int, tier: int, place: int, replica: int, why: str, *rest: int) -> int:
        row = len(self.transfers)
        told = TRANSFER_ROW(request, tier, place, replica, WHY.index(why), *rest, NEVER)
        self.transfers.frombytes(told)
        return row

    def landed(self, row: int, began: Ns, now: Ns) -> None:
        """A transfer's last byte is there; its first one flowed from `began` on."""
        end = row + len(TRANSFER_COLUMNS)
        self.transfers[end - 2], self.transfers[end - 1] = began, now

    def handing_over(
        self, request: int, source: int, target: int, size: int, wires: tuple[str, ...],
        offered: Ns, now: Ns,
    ) -> int:  # fmt: skip
        """A request's KV begins to go from one replica to another; its row, for `handed_over`."""
        path = self.wires.setdefault(wires, len(self.wires))
        self.handoffs.extend((request, source, target, size, path, offered, now, NEVER))
        return len(self.handoffs) - 1

    def handed_over(self, row: int, now: Ns) -> None:
        """All of it is there."""
        self.handoffs[row] = now

    def preempted(self, sequence: "Sequence", replica: int, cause: str, now: Ns) -> None:
        """`sequence` has lost the memory it had at `replica`."""
        self.preemptions.extend((sequence.id, replica, CAUSES.index(cause), now))

    def changed(self, replica: int, now: Ns, state: int) -> None:
        """A replica starts, is up, drains or is off from now on."""
        self.fleet.extend((replica, now, state))

    def cast(self, replica: int, now: Ns, role: str) -> None:
        """A replica changes its role."""
        self.casts.extend((replica, now, ROLES.index(role)))

    def level(self, tier: "Tier", now: Ns) -> None:
        """What a tier holds, and what is on its way there, has changed."""
        self.levels.extend((tier.rank, tier.place, now, tier.tree.bytes, tier.arriving))

    def _request(self, sequence: "Sequence", finish: Ns, status: str) -> None:
        request, loaded = sequence.request, sequence.loaded
        self.blocks.extend(request.blocks)
        self.labelled.extend((len(self.blocks), request.block_tokens))
        admitted = NEVER if sequence.admitted is None else sequence.admitted
        first_token = NEVER if sequence.first_token is None else sequence.first_token
        self.requests.frombytes(
            REQUEST_ROW(
                request.id,
                NEVER if request.session is None else request.session,
                request.turn,
                sequence.replica if sequence.prefilled_by is None else sequence.prefilled_by,
                sequence.replica,
                request.prompt_tokens,
                request.output_tokens,
                sequence.generated,
                request.arrival,
                admitted,
                first_token,
                finish,
                sequence.hits or 0,
                loaded.get("dram", 0),
                loaded.get("ssd", 0),
                loaded.get("remote", 0),
                sequence.preemptions,
                sequence.recomputed,
                NEVER if admitted == NEVER else admitted - sequence.ready - sequence.load,
                sequence.load,
                sequence.stalled + sequence.ready - request.arrival,
                sequence.paused,
            )
        )
        self.clients.append(request.client)
        self.kinds.append(request.kind)
        self.statuses.append(status)

"""Sessions: conversations that arrive at a rate; each turn's prompt is all that was said before."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Annotated

from kvsim.traces.generators.arrivals import Arrivals, Burstiness, Process, Rate
from kvsim.traces.generators.dialogues import BLOCK, Dialogue, Dialogues
from kvsim.traces.generators.distributions import NONE, Durations, Extra, Tokens
from kvsim.traces.generators.fields import Count, Duration, FieldError, nested
from kvsim.traces.generators.prefixes import Prefix
from kvsim.traces.generators.tools import Tools
from kvsim.traces.request import Request, Workload
from kvsim.units import Ns

HOPELESS = 16
"""Blocks of sessions without a single one that fits, after which none is expected."""


@dataclass(kw_only=True)
class Sessions(Workload):
    """Conversations: a turn arrives when the user has read the last answer and thought.

    Prompt of a turn = system prompt + prompts, answers and tool results of all turns before + new
    input; its block ids go on into the answer, so that the next turn finds the answer cached too.
    Requests are numbered session by session, not in the order of arrival.
    """

    rate: Rate
    """Sessions that begin, per unit of time."""
    turns: Tokens
    think_time: Durations
    """From the end of an answer to the next turn's arrival."""
    input_tokens: Tokens
    """New tokens of the user in each turn."""
    output_tokens: Tokens
    seed: int = 1
    process: Process = "poisson"
    cv: Burstiness | None = None
    duration: Duration | None = None
    """No session begins from this instant on; those begun go on to their end."""
    sessions: Count | None = None
    """How many sessions begin."""
    requests: Count | None = None
    """How many requests in all: the last session is cut short."""
    first_input_tokens: Tokens | None = None
    """New tokens in the first turn, such as a document; as in any other if left out."""
    system_tokens: Extra = NONE
    """Length of the system prompt, shared in whole blocks."""
    systems: Count = 1
    """Different system prompts; each session has one of them, all equally likely."""
    tools: Annotated[Tools, nested(Tools)] | None = None
    max_context: Count | None = None
    """A session ends before the turn whose context, answer included, would be longer; one whose
    first turn would be does not arrive at all."""
    block_tokens: Count = 16
    """Tokens a block id stands for."""

    def __post_init__(self) -> None:
        self._arrivals = Arrivals(self.rate, self.process, self.cv, self.duration)
        if self.sessions is None and self.requests is None and not self._arrivals.ends:
            raise FieldError(
                "sessions", "is missing; write how many, or `requests`, or `duration`."
            )
        system = Prefix(self.system_tokens, self.systems)
        self._heads = system.heads(self.seed, self.block_tokens)
        self._dialogues = Dialogues(
            seed=self.seed,
            turns=self.turns,
            think_time=self.think_time,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            first_input_tokens=self.first_input_tokens or self.input_tokens,
            system=system,
            heads=self._heads,
            tools=self.tools,
            max_context=self.max_context,
        )
        if not any(any(self._dialogues.block(index)) for index in range(HOPELESS)):
            raise FieldError("max_context", f"no first turn fits into {self.max_context} tokens.")
        self.total = self._total()
        self._live: dict[int, Dialogue] = {}
        """Sessions begun and not over. Only to save drawing them again."""

    def arrivals(self) -> Iterator[Request]:
        """The first turn of each session."""
        self._live = live = {}
        id = 0
        first = Prefix.beyond(self._heads)
        coming = zip(self._arrivals.instants(self.seed), self._drawn(), strict=False)
        for at, (session, dialogue) in islice(coming, self.sessions):
            if not self._allows(id):
                return
            live[session] = dialogue
            yield self._request(id, at, session, 0, dialogue, first)
            id += len(dialogue.inputs)
            first += self._blocks(dialogue.contexts[-1]) - dialogue.head.blocks

    def next_turn(self, request: Request, finished: Ns) -> Request | None:
        """The session's next turn, when the user has thought. Depends on the arguments only."""
        session, turn, id = request.session, request.turn + 1, request.id + 1
        assert session is not None
        dialogue = self._live.get(session) or self._redrawn(session)
        if turn == len(dialogue.inputs) or not self._allows(id):
            self._live.pop(session, None)
            return None
        at = finished + dialogue.thinks[request.turn]
        return self._request(id, at, session, turn, dialogue, request.blocks[-2])

    def _drawn(self) -> Iterator[tuple[int, Dialogue]]:
        """Numbers and contents of the sessions that fit, without end."""
        for block in count():
            for place, dialogue in enumerate(self._dialogues.block(block)):
                if dialogue is not None:
                    yield block * BLOCK + place, dialogue

    def _redrawn(self, session: int) -> Dialogue:
        block, place = divmod(session, BLOCK)
        dialogue = self._dialogues.block(block)[place]
        assert dialogue is not None
        return dialogue

    def _request(
        self, id: int, at: Ns, session: int, turn: int, dialogue: Dialogue, first: int
    ) -> Request:
        """A turn of a session whose own block ids begin with `first`."""
        head, _, outputs, pauses, _, contexts = dialogue
        history = contexts[turn - 1] if turn else head.tokens
        prompt, output = history + dialogue.inputs[turn], outputs[turn]
        blocks = (*head.run, first, self._blocks(contexts[turn]) - head.blocks)
        return Request(
            id, at, prompt, output, blocks, self.block_tokens, session, turn, pauses=pauses[turn]
        )

    def _blocks(self, tokens: int) -> int:
        return -(tokens // -self.block_tokens)

    def _allows(self, id: int) -> bool:
        return self.requests is None or id < self.requests

    def _total(self) -> int | None:
        """How many requests, if that can be said without drawing every session."""
        turns = self.turns.constant if self.max_context is None else None
        if self._arrivals.ends or (self.sessions is not None and turns is None):
            return None
        limits = [self.requests] if self.requests is not None else []
        if self.sessions is not None and turns is not None:
            limits.append(self.sessions * turns)
        return min(limits)

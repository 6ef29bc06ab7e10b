"""A tier with a tree of segments, for tests of eviction: moves by chance, promises checked."""

from dataclasses import dataclass, field
from itertools import count
from random import Random
from weakref import WeakSet

from kvsim.sim.policy import Eviction

NEVER = 1 << 60


class Node:
    """A segment of the tier: what policies may read, and what only the tier knows."""

    def __init__(self, key: int, depth: int, tokens: int, parent: "Node | None", salt: int) -> None:
        self.key, self.depth, self.tokens, self.parent = key, depth, tokens, parent
        self.reuses = 0
        self.next_use = NEVER
        self.locks = 0
        self.children: set[Node] = set()
        self._hash = hash((salt, key, depth))

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"{self.key}@{self.depth}"


def evictable(node: Node) -> bool:
    """As the machine says it."""
    return not node.locks and not node.children


@dataclass
class Tier:
    """A prefix tree whose moves are drawn by `random`; `log` names every segment that left.

    `flat`: every segment hangs from the root, as blocks do in a replay without time.
    """

    policy: Eviction
    random: Random
    flat: bool = False
    salt: int = 0
    log: list[tuple[int, int]] = field(default_factory=list)
    nodes: dict[Node, None] = field(default_factory=dict)
    held: list[Node] = field(default_factory=list)
    alive: "WeakSet[Node]" = field(default_factory=WeakSet)
    now: int = 0

    def __post_init__(self) -> None:
        self.root = Node(0, 0, 0, None, self.salt)
        self.keys = count(1)

    def step(self) -> None:
        """A move: a request comes, one goes, room is made."""
        self.now += self.random.randrange(1000)
        move = self.random.random()
        if move < 0.5:
            self.look_up()
        elif move < 0.75:
            self.let_go()
        else:
            self.make_room()

    def look_up(self) -> None:
        """Read a path, to somewhere within its last segment; go on where it ends."""
        leaf = self.root
        while leaf.children and self.random.random() < 0.7:
            leaf = self.random.choice(sorted(leaf.children, key=lambda node: node.key))
        if leaf.tokens > 1 and not self.flat and self.random.random() < 0.3:
            leaf = self.split(leaf, self.random.randrange(1, leaf.tokens))
        if self.flat and self.random.random() < 0.5:
            leaf = self.root
        self._lock(leaf)
        if leaf is self.root or (not self.flat and self.random.random() < 0.7):
            leaf = self.insert(leaf)
        self.held.append(leaf)

    def split(self, node: Node, tokens: int) -> Node:
        """`node` becomes the tail, and the new head its parent."""
        assert node.parent is not None
        head = self._born(Node(node.key, node.depth, tokens, node.parent, self.salt))
        head.locks, head.reuses, head.next_use = node.locks, node.reuses, node.next_use
        node.parent.children.remove(node)
        node.parent.children.add(head)
        head.children.add(node)
        node.key, node.depth = next(self.keys), node.depth + tokens
        node.tokens, node.parent = node.tokens - tokens, head
        self.policy.split(node, head)
        return head

    def insert(self, parent: Node) -> Node:
        """A new segment below `parent`, with one reader."""
        node = Node(next(self.keys), parent.depth + parent.tokens, 0, parent, self.salt)
        node.tokens = self.random.randrange(1, 50)
        node.next_use = self.now + self.random.randrange(10_000)
        parent.children.add(self._born(node))
        self.policy.touched(node, self.now)
        node.locks = 1
        self.policy.locked(node)
        return node

    def let_go(self) -> None:
        """One reader goes."""
        if not self.held:
            return
        node = self.held.pop(self.random.randrange(len(self.held)))
        while node is not self.root:
            node.locks -= 1
            if not node.locks:
                self.policy.released(node, self.now)
            assert node.parent is not None
            node = node.parent

    def make_room(self) -> None:
        """The policy's victim loses its tail or all of itself."""
        victim = self.policy.victim(evictable)
        assert (victim is None) == (not any(map(evictable, self.nodes)))
        if victim is None:
            return
        assert isinstance(victim, Node)
        assert victim in self.nodes
        assert evictable(victim)
        assert self.policy.victim(evictable) is victim
        victim.tokens -= self.random.choice((1, victim.tokens, victim.tokens))
        if not victim.tokens:
            self.remove(victim)

    def remove(self, node: Node) -> None:
        """It is gone."""
        assert node.parent is not None
        self.log.append((node.key, node.depth))
        node.parent.children.remove(node)
        del self.nodes[node]
        self.policy.removed(node)

    def empty(self) -> None:
        """Everybody goes, and then everything."""
        while self.held:
            self.let_go()
        while self.nodes:
            assert any(map(evictable, self.nodes))
            self.make_room()

    def _lock(self, node: Node) -> None:
        while node is not self.root:
            node.next_use = self.now + self.random.randrange(10_000)
            self.policy.touched(node, self.now)
            if not node.locks:
                self.policy.locked(node)
            node.locks += 1
            node.reuses += 1
            assert node.parent is not None
            node = node.parent

    def _born(self, node: Node) -> Node:
        self.nodes[node] = None
        self.alive.add(node)
        return node

"""stub"""
from collections import OrderedDict
from dataclasses import dataclass, field
from kvsim.sim.policy import Eviction, eviction
@eviction.register("lru")
@dataclass(slots=True)
class LRU(Eviction):
    _order: OrderedDict = field(init=False, repr=False, default_factory=OrderedDict)
    def touched(self, segment, now): self._order[segment]=None; self._order.move_to_end(segment)
    def locked(self, segment): self._order.pop(segment, None)
    def released(self, segment, now): self._order[segment]=None; self._order.move_to_end(segment)
    def removed(self, segment): self._order.pop(segment, None)
    def split(self, segment, head):
        if segment in self._order: self.touched(head, 0)
    def victim(self, evictable): return next(filter(evictable, self._order), None)

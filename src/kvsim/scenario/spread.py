"""What a tier that is spread over the nodes of a cluster cannot do."""

from kvsim.errors import InputError
from kvsim.scenario.choices import answer, answer_of_tier
from kvsim.scenario.schema import Scenario


def can_be_spread(scenario: Scenario, name: str) -> None:
    """Raise InputError for what asks of the tier `name` to be in one node."""
    where, tiers, policies = (
        f"cluster.tiers.{name}.scope",
        scenario.cluster.tiers,
        scenario.policies,
    )
    local = [one for one in (tiers.dram, tiers.ssd) if one and one.scope == "cluster"]
    ports = {one.link for one in (*local, tiers.remote) if one is not None}
    if len(ports) > 1:
        raise InputError(
            f"{where}: a node has one port, and the tiers' links are {', '.join(sorted(ports))}; "
            "give them the same link."
        )
    placements = (
        answer_of_tier("placement", policies.placement, one, "write_through")
        for one in ("dram", "ssd", "remote")
    )
    if any(one.ahead for one in placements):
        raise InputError(
            f"{where}: what is spread over the cluster cannot be written back; choose another "
            "policies.placement, or scope node."
        )
    prefetch = answer("prefetch", policies.prefetch)
    if prefetch.window() or prefetch.foresees():
        raise InputError(
            f"{where}: what is spread over the cluster is not copied ahead of its use; choose "
            "policies.prefetch none or layerwise, or scope node."
        )

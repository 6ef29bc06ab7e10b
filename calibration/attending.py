"""Step times under the attention kernel that a scenario chose."""

from kvsim.calibration.shared_prefix import SharedPrefix
from kvsim.calibration.spread_attention import SpreadAttention
from kvsim.calibration.steps import OperatorTimes
from kvsim.errors import InputError
from kvsim.sim.policy import Kernel
from kvsim.sim.timing import StepTime


def attending(kernel: Kernel | None, timing: StepTime) -> StepTime:
    """`timing` with `kernel` for the attention of decodes; None leaves it as it is."""
    if kernel is None:
        return timing
    if not isinstance(timing, OperatorTimes):
        raise InputError(
            "policies.attention: this timing has no attention of its own to replace; choose "
            "`attention: plain`, or `timing: fitted` or `roofline`."
        )
    return SpreadAttention(timing) if kernel.spread else SharedPrefix(timing, kernel)

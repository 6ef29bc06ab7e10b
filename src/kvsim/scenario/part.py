"""What all pieces of a scenario have in common."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from kvsim.units import MS, SECOND, duration


class Part(BaseModel):
    """A piece of a scenario: unknown keys are errors, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def shown_time(value: int) -> str:
    """Nanoseconds as YAML has them."""
    for unit, scale in (("s", SECOND), ("ms", MS), ("us", 1000)):
        if value % scale == 0:
            return f"{value // scale} {unit}"
    return f"{value} ns"


Duration = Annotated[int, BeforeValidator(duration), PlainSerializer(shown_time)]
"""In YAML a string with a unit; nanoseconds from then on."""

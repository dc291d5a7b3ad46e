"""Configs: frozen pydantic models, kept next to the class they configure."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Base of every config section: unknown keys are errors, values cannot change after validation.

    Scalars are read leniently ("1e-3" is a number: YAML 1.1 hands it over as text).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

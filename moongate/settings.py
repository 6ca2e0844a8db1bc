"""What all settings have in common: frozen models that refuse unknown keys, and checked placeholders."""

from string import Formatter

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of all settings: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def check_placeholders(template: str, allowed: set[str]) -> None:
    """Raise ValueError when a template holds a placeholder that is not allowed, or a lone brace."""
    used = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    if unknown := sorted(used - allowed):
        known = ", ".join(f"{{{name}}}" for name in sorted(allowed))
        raise ValueError(f"{template!r} uses {unknown}; the placeholders are {known}")

"""The project's exceptions: one small tree, and every message says what, where, why and what to do next."""


class MoongateError(Exception):
    """A failure that the user can act on.

    Args:
        what: one sentence naming the failure, without a final newline.
        where: the file, setting, stage or table it was found in.
        why: the reason, with the values that were seen.
        fix: what to do next.
    """

    def __init__(self, what: str, *, where: str, why: str, fix: str) -> None:
        super().__init__(what, where, why, fix)
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  why: {self.why}\n  next: {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments break the default pickling, and errors cross process boundaries in workers.
        return (_rebuilt, (type(self), self.what, self.where, self.why, self.fix))


class ConfigError(MoongateError):
    """A setting is unknown, malformed, or contradicts another one."""


class InputError(MoongateError):
    """A picture, caption, prompt or folder offered by the user cannot be used."""


class ModelError(MoongateError):
    """A base model, adapter or feature extractor is missing, incomplete, unsafe or inconsistent."""


class StoreError(MoongateError):
    """The store lacks an artifact, or cannot keep what it was given."""


class NumericsError(MoongateError):
    """A computation left the numbers it is defined for: not finite, out of range, or diverging."""


class GateError(MoongateError):
    """A run did all that it was asked, and its result is one that its gate does not let pass."""


class EngineError(MoongateError):
    """A cluster of workers cannot be used, or lost the same piece of work again and again."""


class CapacityError(MoongateError):
    """The smallest portion of the work needs more memory than there is."""


def _rebuilt(kind: type[MoongateError], what: str, where: str, why: str, fix: str) -> MoongateError:
    return kind(what, where=where, why=why, fix=fix)

"""How numbers are written on the page: one rule each, a real minus sign, a thin space before units."""

NO_VALUE = "–"
MINUS = "\u2212"
THIN_SPACE = "\u202f"


def decimal(value: float | None, places: int = 3) -> str:
    """A number with fixed decimals; a dash for None."""
    return NO_VALUE if value is None else f"{value:.{places}f}".replace("-", MINUS)


def percent(share: float | None) -> str:
    """A share as whole percent: 0.816 is `82 %`; a dash for None."""
    return (
        NO_VALUE
        if share is None
        else f"{share * 100:.0f}{THIN_SPACE}%".replace("-0", "0").replace("-", MINUS)
    )


def interval(low: float | None, high: float | None, places: int = 3) -> str:
    """An interval as `0.780 to 0.843`; empty when either end is unknown."""
    return "" if low is None or high is None else f"{decimal(low, places)} to {decimal(high, places)}"


def decibels(value: float | None, places: int = 1) -> str:
    """Decibels; None stands for identical pictures, whose PSNR is infinite."""
    return "identical" if value is None else f"{decimal(value, places)}{THIN_SPACE}dB"


def seconds(value: float) -> str:
    """A duration: `0.42 s`, `38 s`, `4 min 12 s`, `2 h 05 min`."""
    if value < 10:
        return f"{value:.2f}{THIN_SPACE}s"
    if round(value) < 60:
        return f"{value:.0f}{THIN_SPACE}s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}{THIN_SPACE}min {rest:02d}{THIN_SPACE}s"
    return f"{minutes // 60}{THIN_SPACE}h {minutes % 60:02d}{THIN_SPACE}min"


def mebibytes(count: int) -> str:
    """Bytes as MiB or GiB; a dash for zero (not measured)."""
    if count <= 0:
        return NO_VALUE
    mib = count / 2**20
    return f"{mib:.0f}{THIN_SPACE}MiB" if mib < 1024 else f"{mib / 1024:.1f}{THIN_SPACE}GiB"


def whole(count: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{count:,}".replace(",", THIN_SPACE)

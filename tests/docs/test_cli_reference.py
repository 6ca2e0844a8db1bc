from flows.cli_reference import PAGE, reference


def test_the_page_is_what_the_command_line_says_today() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "stale: python -m flows.cli_reference"

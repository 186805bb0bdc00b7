"""docs/cli.md describes the commands that there are."""

import re

from tests.cli_page import PAGE, commands, written


def test_the_page_is_what_the_commands_say_of_themselves() -> None:
    """After a change: `make docs`."""
    page = PAGE.read_text()

    assert page == written(page), "run `make docs`"


def test_every_command_has_a_sentence_and_every_option_a_meaning() -> None:
    """Nobody has to guess."""
    for name, command in commands():
        assert str(command.help).endswith("."), name
        for parameter in command.params:
            assert parameter.help, (name, parameter.name)


def test_every_command_can_answer_a_program_or_says_nothing_to_one() -> None:
    """`--json` everywhere; what runs a part of the system writes logs, and a check answers by its exit code."""
    without = {name for name, command in commands() if not any("--json" in p.opts for p in command.params)}

    assert without == {"up", "api", "worker", "healthcheck api", "healthcheck worker"}


def test_nothing_of_the_page_depends_on_the_machine() -> None:
    """No default that counts processors, no path."""
    text = PAGE.read_text()
    assert re.findall(r"\[default: \d+; 1<=x<=256\]", text) == ["[default: 8; 1<=x<=256]"]
    assert "/home" not in text

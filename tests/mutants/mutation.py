"""One deliberate defect, and where the tests are that notice them."""

from dataclasses import dataclass

FOLDER = "tests/integration/broker"
CONTRACT = f"{FOLDER}/test_broker_contract.py"
IDLING = f"{FOLDER}/test_broker_idling.py"
LEASES = f"{FOLDER}/test_broker_leases.py"
SENDING = f"{FOLDER}/test_broker_sending.py"
SETTLEMENT = f"{FOLDER}/test_broker_settlement.py"
TROUBLE = f"{FOLDER}/test_broker_trouble.py"
SURVIVORS = "tests/mutants/test_survivors.py"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One deliberate defect."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    #: Further replacements in the same file, for a promise that two lines keep.
    also: tuple[tuple[str, str], ...] = ()


def line(name: str, file: str, old: str, new: str, test: str, also: tuple[tuple[str, str], ...] = ()) -> Mutation:
    """One replacement in one file of the program, and the one test that must notice."""
    return Mutation(name, f"app/{file}", old, new, (test,), also)

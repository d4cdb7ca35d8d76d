"""The besieged course: every attack handed in among honest neighbours, graded in one run."""

from dataclasses import dataclass

import nbformat
import pytest
from nbformat.notebooknode import NotebookNode

from grading.commands.run import results
from grading.config import Config
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from grading.records import Result
from tests.attacks import siege
from tests.attacks.corpus import ATTACKS, machine
from tests.attacks.corpus.attack import PUZZLES, TENSORS, hand_in, honest, make_course


@dataclass(frozen=True)
class Aftermath:
    """What is left when the run is over."""

    results: dict[tuple[str, str], Result]
    notebooks: dict[tuple[str, str], NotebookNode]
    ears: siege.Ears
    gradebook: set[str]
    orphans: set[str]
    before: dict[str, str]
    after: dict[str, str]
    config: Config


@pytest.fixture(scope="session")
def aftermath(tmp_path_factory) -> Aftermath:
    """All attacks and their neighbours, run by two workers at a time."""
    config = make_course(tmp_path_factory.mktemp("besieged"))
    siege.plant(config)
    found, notebooks = {}, {}
    with siege.listening(config.tree) as ears, siege.secret_environment(config):
        siege.attack_with(config, ATTACKS, siege.places(config, ears))
        for attack in machine.ATTACKS:  # in the order of names the next, so mostly beside it
            hand_in(config, f"{attack.name}-neighbour", PUZZLES, honest(config, PUZZLES))
        before = siege.state_of(config)
        for assignment in (PUZZLES, TENSORS):
            jobs = [job for job in plan(config, assignment) if job.notebook.is_file()]
            for result in results(jobs, store_of(config), workers=2, quiet=True):
                found[result.student, assignment] = result
                path = store_of(config).notebook_path(result)
                if path.is_file():
                    notebooks[result.student, assignment] = nbformat.read(path, as_version=4)
        left = siege.wait_for_orphans()
    return Aftermath(
        found, notebooks, ears, siege.owned(config), left, before, siege.state_of(config), config
    )

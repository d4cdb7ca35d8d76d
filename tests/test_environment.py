"""pyproject.toml, requirements.lock and environment.yml say the same thing about what is installed."""

import re
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.helpers import ROOT, imported

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK_LINES = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line.strip()]


def declared() -> list[Requirement]:
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    return [Requirement(line) for line in [*project["dependencies"], *extras["staff"], *extras["dev"]]]


def locked() -> dict[str, Version]:
    """Name → version of every pin that applies to this interpreter."""
    pins: dict[str, Version] = {}
    for line in LOCK_LINES:
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate():
            (spec,) = pin.specifier
            assert spec.operator == "==", f"{line} is not a pin"
            pins[canonicalize_name(pin.name)] = Version(spec.version)
    return pins


# Imported where they are used; without them an error names the command that installs them.
OPTIONAL = {"coursekit": {"pandas"}}
OURS = {"benchmarks", "coursekit", "grading", "tests"}


@pytest.mark.parametrize("requirement", declared(), ids=lambda requirement: requirement.name)
def test_every_declared_package_is_locked_within_its_bounds(requirement):
    version = locked()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{requirement} against {version} in requirements.lock"


@pytest.mark.parametrize(
    ("folder", "extras"), [("coursekit", []), ("grading", ["staff"]), ("tests", ["staff", "dev"])]
)
def test_what_a_folder_imports_is_declared_for_those_who_use_it(folder, extras):
    project = PROJECT["project"]
    lines = [
        *project["dependencies"],
        *(line for e in extras for line in project["optional-dependencies"][e]),
    ]
    known = {canonicalize_name(Requirement(line).name) for line in lines} | OPTIONAL.get(folder, set())
    sources = metadata.packages_distributions()
    undeclared = {
        (module, str(path.relative_to(ROOT)))
        for path in (ROOT / folder).rglob("*.py")
        for module in imported(path) - sys.stdlib_module_names - OURS
        if not {canonicalize_name(name) for name in sources.get(module, [module])} & known
    }
    assert undeclared == set()


def test_the_installed_versions_are_the_locked_ones():
    different = {
        name: (str(version), metadata.version(name))
        for name, version in locked().items()
        if Version(metadata.version(name)).public != version.public
    }
    assert different == {}


def test_the_lock_names_no_index():
    text = (ROOT / "requirements.lock").read_text()
    assert not re.search(r"https?://|--(extra-)?index|--find-links|@ file", text)


def test_conda_installs_the_lock_itself_on_a_python_the_project_supports():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, with_pip = environment["dependencies"]
    assert pip == "pip"
    assert "-r requirements.lock" in with_pip["pip"], "conda users must get the same pins"
    supported = Requirement(f"python{PROJECT['project']['requires-python']}").specifier
    lowest = re.search(r">=([\d.]+)", python)
    assert lowest
    assert supported.contains(lowest[1])


def test_torch_and_torchvision_are_a_pair():
    wanted = [
        Requirement(line)
        for line in metadata.requires("torchvision") or []
        if Requirement(line).name == "torch"
    ]
    assert wanted, "torchvision no longer says which torch it was built against"
    assert wanted[0].specifier.contains(locked()["torch"], prereleases=True)


@pytest.mark.parametrize("package", ["coursekit", "grading"])
def test_every_file_that_the_package_promises_beside_its_code_is_there(package):
    promised = PROJECT["tool"]["setuptools"]["package-data"][package]
    assert "py.typed" in promised
    assert [pattern for pattern in promised if not any((ROOT / package).glob(pattern))] == []

"""The doctor's findings, for machines that are well and machines that are not."""

import importlib.metadata
import shutil

import pytest
from packaging.requirements import Requirement

from coursekit import doctor
from coursekit.data.assets import FOLDER
from coursekit.doctor import Finding

NEEDED = ["torch>=2.6", "ipywidgets>=8.1", "pytest>=8; extra == 'dev'", "colorama; sys_platform == 'no-such'"]


def only(findings) -> Finding:
    (finding,) = findings
    return finding


def test_this_machine_can_run_the_course():
    findings = doctor.examine()
    assert {finding.subject for finding in findings} >= {"Python", "packages", "torch", "device", "data"}
    assert [finding for finding in findings if finding.status == "problem"] == []


def test_each_finding_is_one_sentence():
    for finding in doctor.examine():
        assert finding.message.endswith(".")
        assert "\n" not in finding.message


@pytest.mark.parametrize(
    ("version", "status", "part"),
    [
        ((3, 10), "problem", "Python is 3.10; install 3.11 or newer"),
        ((2, 7), "problem", "Python is 2.7"),
        ((3, 11), "ok", "Python 3.11"),
        ((3, 14), "ok", "Python 3.14"),
    ],
)
def test_python_has_to_be_new_enough(version, status, part):
    finding = only(doctor.python(version))
    assert finding.status == status
    assert part in finding.message


@pytest.mark.parametrize(
    ("torch", "torchvision", "status", "part"),
    [
        ("2.13.0", "0.28.0", "ok", "torch 2.13.0 with torchvision 0.28.0"),
        ("2.13.0+cpu", "0.28.0+cpu", "ok", "torch 2.13.0+cpu"),
        ("2.12.0", "0.28.0", "problem", "built for torch==2.13.0 and finds torch 2.12.0"),
        ("2.13.0.dev1", "0.28.0", "problem", "finds torch 2.13.0.dev1"),
        (None, "0.28.0", "problem", "torch is not installed"),
        ("2.13.0", None, "problem", "torchvision is not installed"),
    ],
)
def test_torch_has_to_be_the_one_that_torchvision_was_built_for(torch, torchvision, status, part):
    finding = only(doctor.pair(torch, torchvision, ["numpy", "torch (==2.13.0)", "pillow (!=8.3.*)"]))
    assert finding.status == status
    assert part in finding.message


def test_torchvisions_own_metadata_names_its_torch():
    wanted = [Requirement(text) for text in importlib.metadata.requires("torchvision")]
    (torch,) = (requirement for requirement in wanted if requirement.name == "torch")
    assert str(torch.specifier).startswith("==")


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({"torch": "2.13.0", "ipywidgets": "8.1.2"}, []),
        ({"torch": "2.13.0"}, [("ipywidgets", "note", "sliders in the lectures stay still figures")]),
        (
            {"ipywidgets": "8.1.2"},
            [("torch", "problem", "torch is not installed; run `pip install 'torch>=2.6'`")],
        ),
        (
            {"torch": "2.5.1", "ipywidgets": "8.1.2"},
            [("torch", "problem", "torch is 2.5.1 and the course needs >=2.6")],
        ),
    ],
)
def test_missing_packages_are_problems_and_optional_ones_notes(installed, expected):
    findings = [f for f in doctor.packages(NEEDED, installed.get) if f.subject != "packages"]
    assert [(f.subject, f.status) for f in findings] == [(subject, status) for subject, status, _ in expected]
    assert all(part in f.message for f, (_, _, part) in zip(findings, expected, strict=True))


def test_packages_of_an_extra_or_another_system_are_not_asked_for():
    summary = list(doctor.packages(NEEDED, {"torch": "2.13.0", "ipywidgets": "8.2"}.get))[-1]
    assert summary.message == "2 needed packages are installed in fitting versions."


def test_a_course_that_is_not_installed_is_a_note():
    assert only(doctor.packages([], {}.get)).status == "note"


@pytest.fixture
def assets(tmp_path):
    """A copy of the shipped files, to damage."""
    return shutil.copytree(FOLDER, tmp_path / "assets")


def test_shipped_files_are_verified(assets):
    finding = only(doctor.data(assets))
    assert finding.status == "ok"
    assert "have their checksums" in finding.message


def test_an_altered_file_is_named(assets):
    file = max(assets.rglob("*"), key=lambda path: path.stat().st_size if path.is_file() else 0)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    finding = only(doctor.data(assets))
    assert finding.status == "problem"
    assert file.name in finding.message


def test_a_missing_manifest_is_a_problem_and_no_crash(assets):
    (assets / "manifest.json").unlink()
    assert only(doctor.data(assets)).status == "problem"


def test_a_missing_jupyterlab_is_a_problem():
    assert only(doctor.jupyter(None)).status == "problem"
    assert only(doctor.jupyter("/usr/bin/jupyter-lab")).status == "ok"


def test_a_part_that_breaks_does_not_hide_the_others(monkeypatch):
    def broken() -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor, "_device", broken)
    findings = doctor.examine()
    broken_one = next(f for f in findings if f.subject == "device")
    assert broken_one.status == "problem"
    assert "torchvision::nms" in broken_one.message
    assert findings[-1].subject == "JupyterLab"

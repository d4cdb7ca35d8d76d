"""course.toml: what it says is what we get, and what we do not know is refused by name."""

from pathlib import Path

import pytest

from grading.config import fingerprints_path, load_config
from grading.errors import ConfigError


def write(folder, text):
    path = folder / "course.toml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    config = load_config(write(tmp_path, '[course]\nname = "c"\nmasters = "here"\nships = ["a", "b"]'))
    assert config.masters == tmp_path / "here"
    assert config.ships == (tmp_path / "a", tmp_path / "b")
    assert config.notebooks == tmp_path / "notebooks"


def test_the_gradebook_is_sqlite_in_the_tree_unless_it_says_otherwise(tmp_path):
    path = write(tmp_path, '[course]\nname = "c"\ntree = "out"')
    assert load_config(path).gradebook == f"sqlite:///{tmp_path}/out/gradebook.db"
    path = write(tmp_path, '[course]\nname = "c"\ngradebook = "postgresql://db/grades"')
    assert load_config(path).gradebook == "postgresql://db/grades"


def test_limits_have_defaults_and_can_be_set(tmp_path):
    config = load_config(write(tmp_path, '[course]\nname = "c"\n[limits]\ncell_seconds = 2.5'))
    assert config.limits.cell_seconds == 2.5
    assert config.limits.job_seconds > 0


def test_fingerprints_have_a_path_for_every_topic(tmp_path):
    hooks = '[hooks]\nfingerprints = ["{python}", "x"]\nfingerprints_output = "kit/{topic}.json"'
    config = load_config(write(tmp_path, f'[course]\nname = "c"\n{hooks}'))
    assert fingerprints_path(config, "01_a") == tmp_path / "kit/01_a.json"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[course]\nname = "c"\nnotebook = "x"', "unknown key 'notebook'; the known keys are name, masters"),
        ('[course]\nname = "c"\n[limit]', "unknown key 'limit'"),
        ('[course]\nname = "c"\n[limits]\nseconds = 1', "unknown key 'seconds'.*cell_seconds"),
        ("[course]", '"name" is missing'),
        ("[course]\nname = 3", "name = 3 is not a string"),
        ('[course]\nname = "c"\nships = "notebooks"', "ships = 'notebooks' is not a list of strings"),
        ('[course]\nname = "c"\nships = [1]', "not a list of strings"),
        ('[course]\nname = "c"\n[limits]\nmemory_mb = true', "not a number"),
        ('[course]\nname = "c"\n[limits]\nmemory_mb = 0', "not positive"),
        ('[course]\nname = "c"\n[hooks]\nfingerprints = ["x"]', "belong together"),
        ("course = 3", "must be a table"),
        ('[course]\nname = "c"\n[forbidden]\nconv = 3', r"\[forbidden.conv\]: this must be a table"),
        ('[course]\nname = "c"\n[forbidden.conv]', '"what" is missing'),
        ('[course]\nname = "c"\n[forbidden.conv]\nwhat = "x"\nword = 1', "unknown key 'word'"),
        ('[course]\nname = "c"\n[forbidden.conv]\nwhat = "x"\nuse = "half"', "use = 'half' is no way"),
        ('[course]\nname = "c"\n[forbidden.conv]\nwhat = "x"\nhidden = "scipy"', "not a list of strings"),
        ('[course]\nname = "c"\n[forbidden.conv]\nwhat = "x"\noperators = ["("]', r"'\(' is no pattern"),
        ('[course]\nname = "c"\n[forbidden.conv]\nwhat = "x"\noperators = [1]', "1 is not understood"),
        ("[course", "cannot be read as TOML"),
    ],
)
def test_what_we_do_not_understand_is_refused(tmp_path, text, complaint):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=complaint) as raised:
        load_config(path)
    assert str(path) in str(raised.value)


def test_what_words_forbid_stands_in_the_file_or_in_another_one(tmp_path):
    tables = '[forbidden.conv]\nwhat = "x"\noperators = ["a", { name = "b", where = { groups = 2 } }]\n'
    here = load_config(write(tmp_path, f'[course]\nname = "c"\n{tables}'))
    (tmp_path / "words.toml").write_text(tables)
    there = load_config(write(tmp_path, '[course]\nname = "c"\n[engine]\nforbidden = "words.toml"'))
    (word,) = here.warm.forbidden
    assert here.warm.forbidden == there.warm.forbidden
    (tmp_path / "words.toml").unlink()
    with pytest.raises(ConfigError, match=r"words\.toml: cannot be read"):
        load_config(tmp_path / "course.toml")
    assert (word.word, word.use, word.operators[1].where) == ("conv", "zero", (("groups", 2),))


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(ConfigError, match="no such file; run in the course's folder or give --config"):
        load_config(tmp_path / "course.toml")


def test_the_courses_own_file_is_read():
    root = Path(__file__).resolve().parents[3]
    config = load_config(root / "course.toml")
    assert config.masters == root / "solutions"
    assert root / "coursekit" in config.ships

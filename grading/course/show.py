"""One answer of the course in words: the whole text that edits make of another one."""

import difflib
from collections.abc import Iterable

from grading.config import Config
from grading.course.topics import read_topic, topic_names
from grading.course.variants import answers_of
from grading.errors import BuildError

REFERENCE = "reference"


def show(config: Config, wanted: str) -> str:
    """What stands under `topic/exercise/name`: the whole source of that variant, or of the reference answer.

    Of `topic/exercise` the names with what each says, of `topic` its exercises.

    Raises:
        BuildError: There is no such thing; the message names what is written most like it.
    """
    topic_name, _, rest = wanted.strip("/").partition("/")
    exercise, _, name = rest.partition("/")
    _refuse_unknown(topic_name, topic_names(config), "topic", str(config.masters))
    topic = read_topic(config, topic_name)
    if topic.assignment is None:
        raise BuildError("this topic has no assignment", topic_name, "name another one")
    answers = answers_of(topic.assignment)
    if not exercise:
        return "\n".join(answers)
    _refuse_unknown(exercise, answers, "exercise", topic_name)
    variants = {variant.name: variant for variant in topic.variants if variant.exercise == exercise}
    if not name:
        width = max(map(len, [*variants, REFERENCE]))
        rows = [(one.name, one.kind, one.says) for one in variants.values()]
        lines = [f"{name:{width}}  {kind:13}  {says}" for name, kind, says in rows]
        return "\n".join([f"{REFERENCE:{width}}  of the master", *lines])
    sources = {REFERENCE: answers[exercise], **{one.name: one.source for one in variants.values()}}
    _refuse_unknown(name, sources, "answer", f"{topic_name}/{exercise}")
    return sources[name]


def _refuse_unknown(word: str, known: Iterable[str], what: str, where: str) -> None:
    known = list(known)
    if word not in known:
        near = difflib.get_close_matches(word, known, cutoff=0.5)
        fix = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise BuildError(f"there is no {what} {word!r}", where, fix)

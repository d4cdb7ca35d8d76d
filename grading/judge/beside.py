"""The course's files that lie beside a notebook, laid there where it runs."""

from grading.judge.link import Link

__all__ = ["put_beside"]

CODE = "__import__('zipfile').ZipFile({0!r}).extractall(), __import__('sys').path.append({0!r})"
"""Copies, which a hand-in may change; modules come from the archive itself, which nobody can."""


def put_beside(archive: str, link: Link) -> None:
    """Lay the files of this archive beside the notebook, here and over there.

    Raises:
        OSError: There is no room for them over there.
    """
    code = CODE.format(archive)
    exec(code)
    if error := link.plain("run", source=f"{code};").get("error"):
        raise OSError(f"the course's files cannot be laid beside the notebook ({error})")

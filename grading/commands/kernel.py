"""`grading kernel`: make Jupyter offer the kernel "Python 3 (warm)"."""

import argparse
import sys
from pathlib import Path

from grading.errors import ConfigError

__all__ = ["add_arguments", "main"]

SOURCE = Path(__file__).parents[1] / "jupyter" / "kernels" / "warm"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--user", action="store_true", help="for this user, in every environment")
    place.add_argument("--prefix", default=sys.prefix, help="for another environment (default: this one)")


def main(args: argparse.Namespace) -> int:
    """Install the kernel, anew where it is; 0 on success.

    Raises:
        ConfigError: it cannot be written there.
    """
    from jupyter_client.kernelspec import KernelSpecManager

    where = {"user": True} if args.user else {"prefix": args.prefix}
    try:
        folder = KernelSpecManager().install_kernel_spec(str(SOURCE), "warm", **where)
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", error.filename, "give --user") from error
    print(f"installed in {folder}: choose Python 3 (warm) in JupyterLab, or the kernel warm elsewhere")
    if sys.platform != "linux":
        print("on this system its kernels start as slowly as any")
    return 0

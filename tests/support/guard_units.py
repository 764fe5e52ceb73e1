"""A unit of work that does as its name says."""

import logging
import os
import signal
import sys
import time

import numpy as np

from mpc.core.errors import InputError
from mpc.core.guard import tell_alive


def behave(what):
    if what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "exit":
        os._exit(7)
    if what == "memory":
        return len([np.ones(1 << 26) for _ in range(4)])
    if what == "hang":
        time.sleep(60)
    if what == "slow":
        for _ in range(8):
            time.sleep(0.5)
            tell_alive()
    if what == "raise late":
        raise TimeoutError("the disk does not answer")
    if what == "raise":
        raise InputError("folder/file", "is of no use")
    return what.upper(), os.getpid()


class Awkward(Exception):
    """An error whose pickle cannot be read: its class is made from two arguments, its pickle holds one."""

    def __init__(self, name, reason):
        super().__init__(f"{name}: {reason}")


def write_dots(path):
    """Append a byte to a file every hundredth of a second, for ever."""
    while True:
        with open(path, "ab") as file:
            file.write(b".")
        time.sleep(0.01)


def raise_awkward(_):
    raise Awkward("a", "b")


def print_and_log(text):
    sys.stdout.write(text)
    logging.getLogger("mpc.test").error("unexpected error", exc_info=ValueError(text))
    return os.getcwd()

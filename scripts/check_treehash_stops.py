#!/usr/bin/env python3
"""Checks how treehash stops before its end: Ctrl-C once and twice on a terminal, a deadline, the first failure.

Usage: check_treehash_stops.py TREEHASH WORK     WORK: a directory for files of a TiB, which take no space
Each run has hours of work before it, so that one that ends was stopped; one that is not stopped ends in a timeout, a failure.
"""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

LIMIT_S = 60
ENDED = rb"0 panics isolated; all have ended, nothing is left running"


def fail(what, output=b""):
    sys.exit(f"treehash: {what}\n{output.decode(errors='replace')}")


def make_tree(work):
    tree = os.path.join(work, "endless")
    for name in ("a", "b/c"):
        os.makedirs(os.path.join(tree, name))
        for number in range(3):
            with open(os.path.join(tree, name, f"tib-{number}"), "wb") as file:
                file.truncate(1 << 40)
    return tree


class OnTerminal:
    """treehash with a terminal for stdin and stderr."""

    def __init__(self, arguments):
        self.shown = b""
        self.sums, sums_end = os.pipe()
        terminal, self.terminal_end = pty.openpty()
        self.terminal = terminal

        def take_terminal():
            os.setsid()
            os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first one opened becomes the controlling one

        self.process = subprocess.Popen(
            arguments, stdin=self.terminal_end, stdout=sums_end, stderr=self.terminal_end, preexec_fn=take_terminal)
        os.close(sums_end)
        self.until = time.monotonic() + LIMIT_S

    def read_more(self):
        if time.monotonic() > self.until:
            self.process.kill()
            fail("was not stopped; it showed:", self.shown)
        if select.select([self.terminal], [], [], 0.05)[0]:
            self.shown += os.read(self.terminal, 65536)

    def wait_for(self, pattern):
        while not re.search(pattern, self.shown):
            if self.process.poll() is not None:
                fail(f"ended before it showed {pattern}:", self.shown)
            self.read_more()

    def press_ctrl_c(self):
        os.write(self.terminal, b"\x03")

    def stop_output(self):
        termios.tcflow(self.terminal_end, termios.TCOOFF)

    def end(self):
        while self.process.poll() is None:
            self.read_more()
        while select.select([self.terminal], [], [], 0)[0]:
            self.shown += os.read(self.terminal, 65536)
        return self.process.returncode


def check_ctrl_c_once(treehash, tree):
    run = OnTerminal([treehash, tree])
    run.wait_for(rb"0/6 files .*/s")
    run.press_ctrl_c()
    status = run.end()
    if status != 130:
        fail(f"Ctrl-C: ended with {status}", run.shown)
    for told in (rb"interrupted; 0 hashed of \d+ files found", ENDED):
        if not re.search(told, run.shown):
            fail(f"Ctrl-C: does not tell {told}", run.shown)
    if not os.read(run.sums, 4096).startswith(b"# incomplete tree: "):
        fail("Ctrl-C: the tree's digest is not called incomplete")


def check_ctrl_c_twice(treehash, tree):
    run = OnTerminal([treehash, tree])
    run.wait_for(rb"0/6 files .*/s")
    run.stop_output()  # so it cannot come to its end in order: it has a message to show first
    while run.process.poll() is None:
        run.process.send_signal(signal.SIGINT)
        run.read_more()
    if run.end() != 130 or re.search(ENDED, run.shown):
        fail(f"Ctrl-C twice: ended with {run.process.returncode}", run.shown)


def check_piped(arguments, status, told):
    try:
        run = subprocess.run(arguments, capture_output=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as late:
        fail(f"{arguments[1:]}: was not stopped", late.stderr or b"")
    if b"\r" in run.stderr:
        fail(f"{arguments[1:]}: draws progress into a pipe", run.stderr)
    if run.returncode != status:
        fail(f"{arguments[1:]}: ended with {run.returncode}", run.stderr)
    for pattern in (told, ENDED):
        if not re.search(pattern, run.stderr):
            fail(f"{arguments[1:]}: does not tell {pattern}", run.stderr)


def main():
    treehash, work = sys.argv[1:]
    tree = make_tree(work)
    check_ctrl_c_once(treehash, tree)
    check_ctrl_c_twice(treehash, tree)
    check_piped([treehash, "--deadline", "0.2", tree], 124, rb"stopped by the deadline; 0 hashed")
    secret = os.path.join(tree, "a", "secret")
    with open(secret, "wb"):
        os.chmod(secret, 0)
    as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    # A thread for each file of its directory: the failure must stop the others.
    check_piped(as_user + [treehash, "--fail-fast", "--jobs", "4", os.path.dirname(secret)], 1,
                rb"stopped at the first failure: .*a/secret: Permission denied; 0 hashed")


main()

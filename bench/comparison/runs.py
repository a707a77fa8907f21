"""Runs one process for each workload and contender, in rounds, and reads what they print."""
import os
import select
import signal
import subprocess
import tempfile

from . import machine, workloads
from .statistics_of import Figure

RUN_LIMIT_S = 600
ROUNDS_AGAIN_MAX = 3


class Failed(Exception):
    pass


def parse(text, contender, workload):
    """{(workload, metric): (value, unit)} of lines "workload metric value unit"."""
    found = {}
    for line in text.splitlines():
        parts = line.split()
        try:
            name, metric, value, unit = parts
            found[name, metric] = float(value), unit
        except ValueError:
            raise Failed(f"{contender} printed a line for {workload} that is no result: '{line}'; "
                         "a result is: workload metric value unit") from None
    return found


def wait_for(child):
    """(status, usage); sleeps until the child has ended, for looking now and then would take time from it. None: too late."""
    pidfd = os.pidfd_open(child.pid)
    try:
        ended, _, _ = select.select([pidfd], [], [], RUN_LIMIT_S)
    finally:
        os.close(pidfd)
    return os.wait4(child.pid, 0)[1:] if ended else None


def run_once(command, contender, workload):
    """The results and the seconds of CPU that the process took."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen([*command, workload], stdout=out, stderr=errors, start_new_session=True)
        done = None
        try:
            done = wait_for(child)
        finally:
            if done is None:
                os.killpg(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
            child.returncode = 0  # waited for here
        if done is None:
            raise Failed(f"{contender} has not ended {workload} in {RUN_LIMIT_S} s, and was killed")
        status, usage = done
        out.seek(0)
        errors.seek(0)
        if status != 0:
            how = os.waitstatus_to_exitcode(status)
            raise Failed(f"{contender} ended {workload} with status {how}: {errors.read().strip() or 'it printed nothing'}")
        return parse(out.read(), contender, workload), usage.ru_utime + usage.ru_stime


def check_results(results, rows, contender):
    for row in rows:
        if (row.workload, row.metric) not in results:
            raise Failed(f"{contender} has not printed '{row.workload} {row.metric} …'")
        unit = results[row.workload, row.metric][1]
        if unit != row.unit:
            raise Failed(f"{contender} gives {row.workload} {row.metric} in {unit}, not in {row.unit}")


def one_round(commands, rows, workload, turn):
    """[(contender, results, cpu seconds)]; who begins changes from round to round."""
    taking_part = [name for name in commands if workloads.takes_part(name, rows[0])]
    turn %= max(len(taking_part), 1)
    found = []
    for name in taking_part[turn:] + taking_part[:turn]:
        results, cpu_s = run_once(commands[name], name, workload)
        check_results(results, rows, name)
        found.append((name, results, cpu_s))
    return found


class Measurement:
    """{row: {contender: Figure}}, and how many cores others used meanwhile."""

    def __init__(self, commands, rows, rounds, force, watcher, say):
        self.commands = commands
        self.rounds = rounds
        self.force = force
        self.watcher = watcher
        self.say = say
        self.figures = {row: {} for row in rows}
        self.others = []

    def undisturbed_round(self, rows, workload, turn):
        for _ in range(ROUNDS_AGAIN_MAX):
            before = self.watcher.sample()
            found = one_round(self.commands, rows, workload, turn)
            after = self.watcher.sample()
            refusal = self.watcher.refusal(before, after)
            if self.force or refusal is None:
                self.others.append(self.watcher.others(before, after))
                return found
            self.say(f"{workload}: a round is made again: {refusal.split('. Wait')[0]}")
            self.watcher.wait_for_quiet(self.say)
        raise machine.Busy(refusal)

    def run(self):
        for workload in dict.fromkeys(row.workload for row in self.figures):
            rows = [row for row in self.figures if row.workload == workload]
            if not self.force:
                self.watcher.wait_for_quiet(self.say)
            self.say(f"{workload}: {self.rounds} {'round' if self.rounds == 1 else 'rounds'}")
            for turn in range(self.rounds):
                for name, results, cpu_s in self.undisturbed_round(rows, workload, turn):
                    for row in rows:
                        figure = self.figures[row].setdefault(name, Figure())
                        figure.samples.append(results[row.workload, row.metric][0])
                        figure.cpu_s.append(cpu_s)

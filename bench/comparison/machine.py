"""Is the machine ours alone? Who uses it besides, from /proc/stat, /proc/loadavg and /proc/<pid>/stat."""
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

BUSY_CORES_MAX = 0.1  # what an idle system's own services may take
WATCHED_S = 1.0
WAIT_FOR_QUIET_S = 60
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Busy(Exception):
    pass


@dataclass
class Sample:
    at: float
    busy_s: float  # of all cores, with what a hypervisor took away
    stolen_s: float
    processes: dict  # pid -> (name, seconds)


def read_busy(proc):
    """Seconds that the cores were busy since the boot, and those of them that a hypervisor took."""
    fields = [int(x) for x in (proc / "stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields + [0] * (8 - len(fields))
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S, steal / TICKS_PER_S


def read_processes(proc):
    found = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:  # it has ended
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        found[int(entry.name)] = (name, (int(fields[11]) + int(fields[12])) / TICKS_PER_S)
    return found


def own_seconds():
    """Of this process and of those of its children that have ended."""
    spent = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        spent += usage.ru_utime + usage.ru_stime
    return spent


class Machine:
    def __init__(self, proc="/proc", own=own_seconds, sleep=time.sleep, clock=time.monotonic):
        self.proc = Path(proc)
        self.own = own
        self.sleep = sleep
        self.clock = clock

    def sample(self):
        busy, stolen = read_busy(self.proc)
        return Sample(self.clock(), busy - self.own(), stolen, read_processes(self.proc))

    def others(self, before, after):
        """How many cores others kept busy between two samples."""
        return max(0.0, after.busy_s - before.busy_s) / max(after.at - before.at, 1e-9)

    def culprits(self, before, after):
        """Who they were, the busiest first; those that came and went are not seen."""
        span = max(after.at - before.at, 1e-9)
        used = [((spent - before.processes.get(pid, (name, 0.0))[1]) / span, f"{name} ({pid})")
                for pid, (name, spent) in after.processes.items() if pid != os.getpid()]
        used.append(((after.stolen_s - before.stolen_s) / span, "the hypervisor, for other machines"))
        return [f"{who}: {100 * share:.0f} %" for share, who in sorted(used, reverse=True)[:5] if share >= 0.02]

    def watch(self):
        before = self.sample()
        self.sleep(WATCHED_S)
        after = self.sample()
        return before, after

    def load(self):
        return (self.proc / "loadavg").read_text().split()

    def refusal(self, before, after):
        """A sentence when others use the machine, else None."""
        cores = self.others(before, after)
        if cores <= BUSY_CORES_MAX:
            return None
        load = self.load()
        who = "; ".join(self.culprits(before, after)) or "processes that have ended by now"
        return (f"the machine is busy: others use {cores:.2f} of {os.cpu_count()} cores (load {load[0]}, running {load[3]}): {who}. "
                "Wait until they have ended, or compare with --force, which marks the table")

    def wait_for_quiet(self, say):
        """Until nobody else is busy, or Busy."""
        deadline = self.clock() + WAIT_FOR_QUIET_S
        while True:
            refusal = self.refusal(*self.watch())
            if refusal is None:
                return
            if self.clock() >= deadline:
                raise Busy(refusal)
            say("waiting: " + refusal.split(". Wait")[0])

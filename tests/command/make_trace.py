"""Writes a .qtrace of any size: regions in regions, tasks that wake, claim and cancel each other, virtual time, a failure at the end.

Usage: make_trace.py EVENTS FILE
"""
import json
import random
import sys


class Trace:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.actors, self.lines, self.tasks = [], [], []
        self.step = self.ns = 0
        self.next_id = 1

    def actor(self, kind, name, region=0):
        number = self.next_id
        self.next_id += 1
        line = {"actor": kind, "id": f"{number:x}", "name": name}
        if region:
            line["in"] = f"{region:x}"
        self.actors.append(line)
        return number

    def event(self, kind, who=0, other=0, **rest):
        line = {"event": kind, "step": self.step, "ns": self.ns}
        if who:
            line["who"] = f"{who:x}"
        if other:
            line["other"] = f"{other:x}"
        self.lines.append(line | rest)

    def make_region(self, name, parent, maker, size):
        region = self.actor("region", name, parent)
        body = self.actor("body", name, region)
        self.event("open", maker, region)
        self.event("spawn", maker, body)
        members = [body] + [self.actor("task", f"{name}.{i}", region) for i in range(size)]
        for member in members[1:]:
            self.event("spawn", body, member)
        self.tasks += [(member, region) for member in members]
        return region, body

    def make_step(self, mutex):
        rnd = self.random
        who, region = rnd.choice(self.tasks)
        what, line = rnd.choice([("lock mutex m", 12), ("unlock mutex m", 14), ("load atomic balance", 31), ("store atomic balance", 33),
                                 ("yield", 40), ("sleep", 42)])
        self.event("step", who, mutex if "mutex" in what else 0, text=what, where=f"bank.cpp:{line}", worker=rnd.randrange(2),
                   task=f"Running epoch {self.step % 97} refs 2", region=f"Open children {len(self.tasks) % 7} owed 1")
        other = rnd.choice(self.tasks)[0]
        chance = rnd.random()
        if chance < 0.12 and other != who:
            self.event("wake", who, other)
        elif chance < 0.16 and other != who:
            self.event("claim", who, other, text="join")
        elif chance < 0.165 and other != who:
            self.event("cancel", who, other, text="user: enough </script><b>")
            self.event("phase", who, other, text="Requested")
        elif chance < 0.20:
            self.event("obligation", who, region, text="reserved permit")
        if rnd.random() < 0.02:
            self.ns += rnd.randrange(1_000, 5_000_000)
            self.event("time")
        self.step += 1


def make(events, seed=1):
    trace = Trace(seed)
    main = trace.actor("thread", "main")
    mutex = trace.actor("object", "mutex m")
    root, body = trace.make_region("0", 0, main, 6)
    regions = [root]
    for i in range(8):
        region, _ = trace.make_region(f"0.{i}", regions[i // 3], body, 5)
        regions.append(region)
    while len(trace.lines) < events - 30:
        trace.make_step(mutex)
    for task, _ in trace.tasks[7:]:
        trace.event("end", 0, task, text="Ok")
    for region in reversed(regions[1:]):
        trace.event("close", body, region, text="Ok")
        trace.step += 1
    header = {"qtrace": 1, "token": "b1a2b3c4.s7.AQIDBAUGBwgJ", "kind": "assertion",
              "message": "money was lost: <b>90</b> & 100", "step": trace.step - 3, "options": "strategy pct3, seed 7",
              "program": "/srv/bank/bank_tests", "build_id": "00112233445566778899aabbccddeeff00112233", "compiler": "g++ 12.2.0"}
    end = {"end": True, "actors": len(trace.actors), "events": len(trace.lines)}
    return [header, *trace.actors, *trace.lines, end]


if __name__ == "__main__":
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        for record in make(int(sys.argv[1])):
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

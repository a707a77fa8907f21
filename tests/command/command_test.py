"""The quiesce command against a program with planted bugs: hunt, the pack that it leaves, replay in another process, view, Perfetto's
format, and what is said of bad input.

Usage: command_test.py QUIESCE PLANTED
"""
import base64
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import zlib
from pathlib import Path

import make_trace

QUIESCE, PLANTED = (os.path.abspath(path) for path in sys.argv[1:3])
PLANTED_CHANGED = PLANTED + "_changed"
SECONDS_MAX = 120  # until a command that should end is taken for stuck


def quiesce(*arguments, cwd=None, **environment):
    done = subprocess.run([QUIESCE, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=SECONDS_MAX,
                          env=os.environ | environment)
    return done.returncode, done.stdout, done.stderr


def program(test):
    return [PLANTED, f"--gtest_filter={test}"]


def token_of(*choices):
    """What stands in a token behind the body's fingerprint, for choices below 64 of which no two in a row are equal."""
    covered = bytes([1, *(2 * choice for choice in choices)])
    return base64.urlsafe_b64encode(covered + zlib.crc32(covered).to_bytes(4, "little")).decode().rstrip("=")


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="quiesce-command-")
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name)

    def expect_refusal(self, status, sentence, *arguments):
        code, out, err = quiesce(*arguments, cwd=self.path)
        self.assertEqual(code, status, out + err)
        self.assertRegex(out + err, sentence)

    def hunt(self, test, *options, status=1):
        code, out, err = quiesce("hunt", "--time", 60, "--seed", 1, "--packs", self.path / "packs", *options, "--", *program(test))
        self.assertEqual(code, status, out + err)
        return out

    def pack(self):
        packs = list((self.path / "packs").iterdir())
        self.assertEqual(len(packs), 1, packs)
        return packs[0]

    # ---- from a hunt to its page ----

    def found_packed_replayed_and_shown(self, test, kind, message):
        out = self.hunt(test)
        self.assertIn(message, out)
        self.assertRegex(out, r"[\d,]+ runs, [\d,]+ runs/s, [1-9]\d* suspension points")
        pack = self.pack()
        token = (pack / "token.txt").read_text().strip()
        self.assertIn(f"quiesce replay {token} -- {PLANTED}", out)
        self.assertTrue(pack.name.startswith(kind))
        self.assertIn(message, (pack / "report.txt").read_text())
        options = json.loads((pack / "options.json").read_text())
        self.assertEqual(options["program"], os.path.realpath(PLANTED))
        self.assertEqual(options["gtest_filter"], test)
        self.assertRegex(options["build_id"], r"^(file-)?[0-9a-f]{16,}$")
        self.assertTrue((pack / "trace.html").is_file(), "the page is there")

        # In another process, among all tests: only the token's body runs.
        code, told, err = quiesce("replay", token, "--", *program("*-Crashing.*:Endless.*"))
        self.assertEqual(code, 1, told + err)
        self.assertIn(f"reproduced: {kind}: {message}", told)
        self.assertEqual(told.count("[  FAILED  ]"), 3, told)  # one test: its line, the count, the list
        return token, pack

    def test_a_lost_update_of_tasks(self):
        token, pack = self.found_packed_replayed_and_shown("Bank.TransfersKeepTheSum", "assertion", "money was lost or made")
        header = json.loads((pack / "trace.qtrace").read_text().splitlines()[0])
        self.assertEqual((header["qtrace"], header["token"], header["kind"]), (1, token, "assertion"))
        self.assertIn("planted.cpp:", (pack / "trace.qtrace").read_text())

    def test_a_deadlock_of_threads(self):
        _, pack = self.found_packed_replayed_and_shown("Threads.LockInOneOrder", "deadlock", "nothing can move: in a cycle")
        lines = [json.loads(line) for line in (pack / "trace.qtrace").read_text().splitlines()]
        self.assertIn({"actor": "thread", "name": "a"}, [{key: line[key] for key in ("actor", "name")} for line in lines if "actor" in line])
        self.assertTrue(any(line.get("event") == "spawn" and "who" in line for line in lines))

    def test_what_only_a_cancel_request_breaks(self):
        token, _ = self.found_packed_replayed_and_shown("Bank.LeavesNothingHalfDoneWhenItIsCancelled", "assertion", "money was lost")
        self.assertIn(".c.", token)
        out = self.hunt("Bank.LeavesNothingHalfDoneWhenItIsCancelled", "--no-cancels", "--time", 2, status=0)
        self.assertRegex(out, r"cancelled at 0 of [1-9]\d* cancel points")

    def test_tokens_are_good_after_changes_elsewhere_in_the_program(self):
        self.hunt("Threads.LockInOneOrder")
        code, told, err = quiesce("replay", (self.pack() / "token.txt").read_text(), "--", PLANTED_CHANGED,
                                  "--gtest_filter=*-Crashing.*:Endless.*")
        self.assertEqual(code, 1, told + err)
        self.assertIn("reproduced: deadlock: nothing can move: in a cycle", told)

    def test_a_hunt_tells_its_progress_and_ends_in_time(self):
        begun = time.monotonic()
        out = self.hunt("Sound.*", "--time", "6s", "--jobs", 1, status=0)
        self.assertLess(time.monotonic() - begun, 60)
        self.assertRegex(out, r"runs/s, .* suspension points, no cancel points, 1 process, [\d.]+ s left")
        self.assertIn("no failure was found", out)

    def test_a_hunt_can_go_on_after_a_failure(self):
        out = self.hunt("Bank.TransfersKeepTheSum:Threads.LockInOneOrder", "--keep-going", "--time", 8)
        self.assertIn("money was lost or made", out)
        self.assertIn("nothing can move", out)

    def test_strategies_can_be_chosen(self):
        self.hunt("Threads.LockInOneOrder", "--strategy", "dpor")
        out = self.hunt("Bank.LeavesNothingHalfDoneWhenItIsCancelled", "--strategy", "pct2+cancels")
        self.assertIn("money was lost", out)

    def test_a_terminal_gets_one_line_that_changes(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(QUIESCE, [QUIESCE, "hunt", "--time", "1.5s", "--packs", str(self.path), "--", *program("Sound.*")])
        text, until = b"", time.monotonic() + SECONDS_MAX
        while time.monotonic() < until:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                block = os.read(terminal, 4096)
            except OSError:
                break
            if not block:
                break
            text += block
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        self.assertRegex(text.decode(), r"\r\x1b\[K[\d,]+ runs, [\d,]+ runs/s")

    def test_an_interrupt_ends_the_hunt_and_its_processes(self):
        hunting = subprocess.Popen([QUIESCE, "hunt", "--time", "10m", "--packs", self.path, "--", *program("Sound.*")],
                                   stdout=subprocess.PIPE, text=True)
        hunting.stdout.readline()  # it has begun
        children = Path(f"/proc/{hunting.pid}/task/{hunting.pid}/children")
        until = time.monotonic() + SECONDS_MAX
        while not children.read_text() and time.monotonic() < until:
            time.sleep(0.01)
        pids = children.read_text().split()
        self.assertTrue(pids)
        hunting.send_signal(signal.SIGINT)
        out, _ = hunting.communicate(timeout=SECONDS_MAX)
        self.assertEqual(hunting.returncode, 130)
        self.assertIn("interrupted", out)
        self.assertEqual([pid for pid in pids if Path(f"/proc/{pid}").exists()], [])

    def test_a_token_whose_run_ends_well_now_says_so(self):
        # The sound program's empty schedule: every choice by default.
        status = self.path / "status"
        subprocess.run(program("Sound.*"), env=os.environ | {"QUIESCE_STATUS": str(status)}, check=True, stdout=subprocess.DEVNULL)
        body = json.loads(status.read_text().splitlines()[0])["body"]
        code, out, err = quiesce("replay", f"{body}.ARvfBaU", "--", *program("Sound.*"))
        self.assertEqual((code, out.splitlines()[-1]), (0, "not reproduced: the run of the token ends well now"), err)

    def test_without_a_status_file_the_program_itself_says_that_nobody_matched(self):
        done = subprocess.run(program("Sound.*"), env=os.environ | {"QUIESCE_REPLAY": "b00000001.ARvfBaU"}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, "an exploration that makes no run has not failed")
        self.assertEqual(done.stderr, "quiesce: no exploration was of the body that the token in QUIESCE_REPLAY is of\n")

    # ---- bad input ----

    def test_programs_that_cannot_be_hunted(self):
        self.expect_refusal(3, r"quiesce hunt: \./nothing cannot be run: No such file or directory", "hunt", "--", "./nothing")
        (self.path / "text").write_text("no program")
        self.expect_refusal(3, r"quiesce hunt: \./text cannot be run: Permission denied", "hunt", "--", "./text")
        self.expect_refusal(3, r"planted ended with status 0 without an exploration; it must be linked with the lab", "hunt", "--",
                            *program("Unexplored.*"))
        self.expect_refusal(3, r"(?s)planted was ended by signal 11 .* in an exploration of the body b[0-9a-f]{8}\nrun it again with "
                               r"QUIESCE_HUNT=strategy=random.*the end of what it printed:.*Crashing", "hunt", "--", *program("Crashing.*"))

    def test_a_body_that_never_ends(self):
        self.expect_refusal(3, r"planted has been in one run of the body b[0-9a-f]{8} for [\d.]+ s: a step that uses nothing of the lab and "
                               r"does not suspend is never cut off\nrun it again with QUIESCE_HUNT=", "hunt", "--patience", "0.2",
                            "--", *program("Endless.*"))

    def test_tokens_that_cannot_be_replayed(self):
        good = "ARvfBaU"
        self.expect_refusal(3, "quiesce replay: the token is cut off, or not a token", "replay", "what?", "--", PLANTED)
        self.expect_refusal(3, "the token's checksum is wrong", "replay", "ARvfBaA", "--", PLANTED)
        self.expect_refusal(3, r"none of the 1 bodies that .*planted explored is the token's, which has the fingerprint b00000001: the test "
                               r"was not run", "replay", f"b00000001.{good}", "--", *program("Sound.*"))
        self.expect_refusal(3, r"planted ended with status 0 without an exploration", "replay", good, "--", *program("Unexplored.*"))
        self.expect_refusal(3, r"\./nothing cannot be run", "replay", good, "--", "./nothing")

    def body_of(self, test):
        status = self.path / "status"
        subprocess.run(program(test), env=os.environ | {"QUIESCE_STATUS": str(status)}, stdout=subprocess.DEVNULL)
        return json.loads(status.read_text().splitlines()[0])["body"]

    def test_a_token_that_cannot_be_followed(self):
        # The first choice of the sound threads is among three, as their tasks' is: nobody is the eighth.
        for test, step, able in [("Sound.*", 1, "a|main|t1"), ("Bank.TransfersKeepTheSum", 1, "0.0")]:
            self.expect_refusal(3, rf"the token cannot be followed: at step {step} the choice is of nobody who can move; able to move: .*"
                                   rf"({able}) \(.*: 0 of the token's 1 choices were followed; the body is not the one it was made by\n",
                                "replay", f"{self.body_of(test)}.{token_of(7)}", "--", *program(test))
            (self.path / "status").unlink()
        self.expect_refusal(3, r"the token cannot be followed: at step \d+ the run ended well: [3-9] of the token's 40 choices were followed",
                            "replay", f"{self.body_of('Sound.*')}.{token_of(*([0, 1] * 20))}", "--", *program("Sound.*"))

    def test_command_lines(self):
        for arguments, sentence in [((), "A subcommand is required"), (("hunt",), "which program\\? Give it after --, as in: -- ./my_tests"),
                                    (("stroll",), "there is no command 'stroll'; it has replay, hunt and view"),
                                    (("hunt", "--time", "soon", "--", "x"), "soon is no time, as in 90, 90s, 1.5m or 2h"),
                                    (("hunt", "--time", "0", "--", "x"), "the time must be more than nothing"),
                                    (("hunt", "--jobs", "0", "--", "x"), "0 not in range"),
                                    (("hunt", "--strategy", "luck", "--", "x"), "there is no strategy 'luck'"),
                                    (("replay", "ARvfBaU"), "which program"), (("view",), "file is required")]:
            self.expect_refusal(2, sentence, *arguments)
        for arguments, sentence in [(("--version",), r"^quiesce \d+\.\d+\.\d+\n$"), (("--help",), "hunt .*Look for a schedule"),
                                    (("hunt", "--help"), r"Usage: quiesce hunt \[OPTIONS\] -- PROGRAM")]:
            self.expect_refusal(0, sentence, *arguments)

    # ---- view ----

    def write_trace(self, events=400):
        trace = self.path / "run.qtrace"
        trace.write_text("".join(json.dumps(record) + "\n" for record in make_trace.make(events)), encoding="utf-8")
        return trace

    def test_traces_that_cannot_be_shown(self):
        trace = self.write_trace()
        lines = trace.read_text(encoding="utf-8").splitlines(keepends=True)
        (self.path / "cut.qtrace").write_text("".join(lines[:-10]), encoding="utf-8")
        (self.path / "torn.qtrace").write_text("".join(lines)[:-200], encoding="utf-8")
        (self.path / "new.qtrace").write_text('{"qtrace":9}\n', encoding="utf-8")
        (self.path / "bad.qtrace").write_text("".join([*lines[:100], "{\n", *lines[100:]]), encoding="utf-8")
        self.expect_refusal(2, r"quiesce view: cut\.qtrace, line \d+: is cut off", "view", "cut.qtrace")
        self.expect_refusal(2, r"torn\.qtrace, line \d+: the file is cut off in this line", "view", "torn.qtrace")
        self.expect_refusal(2, r"new\.qtrace, line 1: the trace is of version 9 of the format", "view", "new.qtrace")
        self.expect_refusal(2, r"bad\.qtrace, line 101: this is no JSON object", "view", "bad.qtrace")
        self.expect_refusal(2, r"none\.qtrace cannot be read: No such file", "view", "none.qtrace")
        self.expect_refusal(2, r"\./trace\.qtrace cannot be read: No such file", "view", ".")
        self.expect_refusal(2, r"no/where\.html cannot be written: No such file", "view", trace, "-o", "no/where.html")

    def test_the_page_goes_where_it_is_asked_to(self):
        trace = self.write_trace()
        self.assertEqual(quiesce("view", trace)[0], 0)
        code, page, _ = quiesce("view", trace, "-o", "-")
        self.assertEqual(code, 0)
        self.assertEqual(page, (self.path / "run.html").read_text(encoding="utf-8"))
        self.assertTrue(page.startswith("<!doctype html>"))
        self.assertNotRegex(page, r"(src|href)=|https?://")
        self.assertEqual(page.count("</script>"), 2)

    def test_perfetto_gets_what_its_format_asks_for(self):
        trace = self.write_trace(3000)
        code, text, _ = quiesce("view", "--perfetto", trace, "-o", "-")
        self.assertEqual(code, 0)
        whole = json.loads(text)
        self.assertIn(whole["displayTimeUnit"], ("ms", "ns"))
        flows, named, slices = {}, set(), {}
        for event in whole["traceEvents"]:
            self.assertIsInstance(event["name"], str)
            self.assertIsInstance(event["ts"], (int, float))
            lane = event["pid"], event["tid"]
            self.assertTrue(all(isinstance(number, int) for number in lane))
            phase = event["ph"]
            self.assertIn(phase, "MXisf")
            if phase == "M":
                self.assertIn(event["name"], ("process_name", "thread_name"))
                self.assertIsInstance(event["args"]["name"], str)
                named.add(lane)
                continue
            self.assertIn(lane, named, "every lane has a name")
            self.assertTrue(event["cat"])
            if phase == "X":
                self.assertGreater(event["dur"], 0)
                slices.setdefault(lane, []).append((event["ts"], event["ts"] + event["dur"]))
            elif phase == "i":
                self.assertIn(event["s"], "gpt")
            else:
                flows.setdefault(event["id"], {})[phase] = event
                self.assertEqual(event.get("bp"), "e" if phase == "f" else None)
        records = make_trace.make(3000)
        self.assertEqual(sum(event["ph"] == "X" and event["cat"] == "step" for event in whole["traceEvents"]),
                         sum(record.get("event") == "step" for record in records))
        self.assertGreater(len(flows), 100)
        for flow in flows.values():
            self.assertEqual(set(flow), {"s", "f"})
            self.assertLess(flow["s"]["ts"], flow["f"]["ts"])
            end = flow["f"]
            self.assertTrue(any(begin <= end["ts"] <= until for begin, until in slices[end["pid"], end["tid"]]), "it ends in a step")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)

"""What bench/compare promises, tried on made-up machines and contenders: bench/compare --self-test"""
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from pathlib import Path

from . import contenders, machine, plot, runs, table, workloads
from .statistics_of import Figure, best_peer, ratio_to_best, verdict

ROW = {(row.workload, row.metric): row for row in workloads.ROWS}


def figures(**medians):
    return {name.replace("_", "-"): Figure([value, value * 0.9, value * 1.2], [0.1] * 3) for name, value in medians.items()}


def saying(text, status=0, errors=""):
    """A contender that prints this whatever it is asked."""
    return [sys.executable, "-c", f"import sys; print({text!r}); print({errors!r}, file=sys.stderr); sys.exit({status})"]


class FakeProc:
    """A /proc in which processes use CPU while one sleeps."""

    def __init__(self, folder, shares, steal=0.0):
        self.folder, self.shares, self.steal = Path(folder), shares, steal
        self.now = 0.0
        (self.folder / "loadavg").write_text("3.14 2.00 1.00 3/99 4711\n")
        self.write()

    def write(self):
        def ticks(share):
            return int(share * self.now * machine.TICKS_PER_S)
        user = sum(ticks(share) for share in self.shares.values())
        (self.folder / "stat").write_text(f"cpu  {user} 0 0 1000 0 0 0 {ticks(self.steal)} 0 0\n")
        for i, (name, share) in enumerate(self.shares.items()):
            (self.folder / str(900 + i)).mkdir(exist_ok=True)
            fields = ["S"] + ["0"] * 10 + [str(ticks(share)), "0"] + ["0"] * 20
            (self.folder / str(900 + i) / "stat").write_text(f"{900 + i} ({name}) {' '.join(fields)}\n")

    def sleep(self, seconds):
        self.now += seconds
        self.write()

    def machine(self):
        return machine.Machine(self.folder, own=lambda: 0.0, sleep=self.sleep, clock=lambda: self.now)


class SelfTest(unittest.TestCase):
    def setUp(self):
        self.said = []
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def refused(self, kind, call, *words):
        with self.assertRaises(kind) as caught:
            call()
        for word in words:
            self.assertIn(word, str(caught.exception))

    # ---- what is asked for
    def test_a_family_is_all_its_workloads(self):
        self.assertEqual([r.workload for r in workloads.chosen(["w3"])], ["W3-fib", "W3-skynet", "W3-spawn-fib", "W3-spawn-skynet"])
        self.assertEqual([r.workload for r in workloads.chosen(["W3-spawn"])], ["W3-spawn-fib", "W3-spawn-skynet"])
        self.assertEqual([r.workload for r in workloads.chosen(["p"])], ["P1", "P2", "P3", "P4"])
        self.assertEqual([r.metric for r in workloads.chosen(["W2b", "W2B"])], ["memory", "release"])
        self.assertEqual(workloads.chosen([]), workloads.ROWS)

    def test_an_unknown_workload_is_refused(self):
        self.refused(workloads.UnknownWorkload, lambda: workloads.chosen(["W99"]), "no workload 'W99'", "W7-sleep")

    # ---- the machine
    def test_a_free_machine_is_not_refused(self):
        watched = FakeProc(self.folder, {"idle": 0.01}).machine()
        self.assertIsNone(watched.refusal(*watched.watch()))

    def test_a_busy_machine_is_refused_and_told_by_whom(self):
        watched = FakeProc(self.folder, {"cc1plus": 0.9, "sshd": 0.0}).machine()
        refusal = watched.refusal(*watched.watch())
        for word in ("others use 0.90", "cc1plus (900): 90 %", "load 3.14", "--force"):
            self.assertIn(word, refusal)
        self.assertNotIn("sshd", refusal)

    def test_what_a_hypervisor_takes_counts(self):
        watched = FakeProc(self.folder, {}, steal=0.5).machine()
        self.assertIn("the hypervisor, for other machines: 50 %", watched.refusal(*watched.watch()))

    def test_the_wait_for_quiet_ends(self):
        proc = FakeProc(self.folder, {"cc1plus": 0.9})
        self.refused(machine.Busy, lambda: proc.machine().wait_for_quiet(self.said.append), "the machine is busy", "cc1plus")
        self.assertGreaterEqual(proc.now, machine.WAIT_FOR_QUIET_S)

    def test_the_wait_for_quiet_goes_on_when_it_is_quiet(self):
        proc = FakeProc(self.folder, {"cc1plus": 0.9})
        proc.machine().wait_for_quiet(lambda text: proc.shares.clear())

    # ---- runs
    def measurement(self, commands, row, watcher, force=False):
        return runs.Measurement(commands, [row], 2, force, watcher, self.said.append)

    def test_a_disturbed_round_is_made_again_and_then_refused(self):
        proc = FakeProc(self.folder, {})
        watched, sample = proc.machine(), machine.Machine.sample
        watched.sample = lambda: (proc.shares.update(thief=1.0), proc.sleep(1.0), sample(watched))[-1]
        watched.wait_for_quiet = lambda say: None
        commands = {"go": saying("W1 time 7 ns")}
        self.refused(machine.Busy, self.measurement(commands, ROW["W1", "time"], watched).run, "thief")
        self.assertEqual(len([told for told in self.said if "made again" in told]), runs.ROUNDS_AGAIN_MAX)

    def test_force_keeps_what_was_disturbed_and_knows_it(self):
        proc = FakeProc(self.folder, {})
        watched, sample = proc.machine(), machine.Machine.sample
        watched.sample = lambda: (proc.shares.update(thief=1.0), proc.sleep(1.0), sample(watched))[-1]
        made = self.measurement({"go": saying("W1 time 7 ns")}, ROW["W1", "time"], watched, force=True)
        made.run()
        self.assertEqual(made.figures[ROW["W1", "time"]]["go"].samples, [7.0, 7.0])
        self.assertGreater(min(made.others), machine.BUSY_CORES_MAX)

    def test_who_begins_changes_and_who_cannot_is_left_out(self):
        commands = {"go": saying("W4 time 1 ns"), "asio": saying("W4 time 2 ns"), "tbb": saying("W4 time 3 ns")}
        begins = [runs.one_round(commands, [ROW["W4", "time"]], "W4", turn)[0][0] for turn in range(3)]
        self.assertEqual(begins, ["go", "asio", "go"])

    def test_a_wrong_sum_ends_the_comparison(self):
        command = saying("", status=1, errors="W1: the sum is 3 and should be 4")
        self.refused(runs.Failed, lambda: runs.run_once(command, "go", "W1"), "go ended W1 with status 1", "should be 4")

    def test_what_does_not_end_is_killed(self):
        limit, runs.RUN_LIMIT_S = runs.RUN_LIMIT_S, 0.05
        self.addCleanup(setattr, runs, "RUN_LIMIT_S", limit)
        command = [sys.executable, "-c", "import signal; signal.pause()"]
        self.refused(runs.Failed, lambda: runs.run_once(command, "go", "W1"), "go has not ended W1 in 0.05 s, and was killed")

    def test_what_is_no_result_is_refused(self):
        self.refused(runs.Failed, lambda: runs.run_once(saying("W1 took long"), "go", "W1"), "no result: 'W1 took long'")
        self.refused(runs.Failed, lambda: runs.run_once(saying("W1 time long ns"), "go", "W1"), "no result")

    def test_a_missing_metric_or_another_unit_is_refused(self):
        row = ROW["W1", "time"]
        self.refused(runs.Failed, lambda: runs.check_results({}, [row], "go"), "has not printed 'W1 time")
        self.refused(runs.Failed, lambda: runs.check_results({("W1", "time"): (1.0, "ms")}, [row], "go"), "in ms, not in ns")

    def test_what_cannot_be_built_is_told(self):
        self.refused(contenders.CannotBuild, lambda: contenders.make("self-test", ["no-such-compiler"]), "no-such-compiler is not installed")
        self.refused(contenders.CannotBuild, lambda: contenders.make("self-test", ["sh", "-c", "echo it broke; false"]), "it broke")

    # ---- figures
    def test_median_and_deviation(self):
        figure = Figure([5, 1, 2, 100, 3])
        self.assertEqual((figure.median, figure.mad), (3, 2))

    def test_goals_against_the_best_a_peer_and_a_number(self):
        found = figures(quiesce=50, quiesce_clang=30, tokio=100, go=200)
        row = ROW["W1", "time"]
        self.assertEqual((best_peer(row, found), ratio_to_best(row, found)), ("tokio", 0.5))
        self.assertFalse(verdict(row, row.goals[0], found).is_met)
        self.assertEqual(verdict(row, row.goals[0], found).reached, "0.50 × Tokio")
        self.assertTrue(verdict(row, workloads.Goal(0.5, "best"), found).is_met)
        self.assertTrue(verdict(row, workloads.Goal(0.2, "go"), figures(quiesce=40, go=200)).is_met)
        self.assertTrue(verdict(row, workloads.Goal(0.3, "tokio", workloads.OURS_CLANG), found).is_met)
        self.assertFalse(verdict(row, workloads.Goal(49, "absolute"), found).is_met)

    def test_more_is_better_where_it_is(self):
        row = ROW["W10", "rate"]
        found = figures(quiesce=130, tokio=100, go=90)
        self.assertEqual(best_peer(row, found), "tokio")
        self.assertTrue(verdict(row, row.goals[0], found).is_met)

    def test_what_was_not_measured_has_no_verdict(self):
        row = ROW["W3-fib", "time"]
        self.assertIsNone(verdict(row, row.goals[0], figures(quiesce=1, go=2)))
        self.assertIsNone(verdict(row, row.goals[0], figures(tbb=1)))

    # ---- what is printed
    def test_every_line_of_a_table_has_every_column(self):
        names = [workloads.OURS, "tokio", "go"]
        measured = {row: figures(quiesce=50, tokio=100, go=200) for row in workloads.ROWS}
        shown = table.markdown(measured, names).splitlines()
        cells = {line.count("|") for line in shown if line.startswith("|")}
        self.assertEqual(cells, {len(table.header(names)) + 1})
        self.assertIn("0.25 × Go", table.text(measured, names))
        self.assertIn("peers only", table.text(measured, names))

    def test_the_plot_is_xml_with_a_dot_for_each_figure(self):
        names = [workloads.OURS, "tokio", "go"]
        measured = {row: figures(quiesce=50, tokio=100, go=200) for row in workloads.ROWS}
        picture = xml.fromstring(plot.svg(measured, names, "a < b"))
        dots = picture.findall(".//{http://www.w3.org/2000/svg}circle")
        self.assertEqual(len(dots), len(names) + len(names) * len(workloads.ROWS))


def main():
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(SelfTest)
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    return 0 if result.wasSuccessful() else 1

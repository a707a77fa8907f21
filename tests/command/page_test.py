"""The page of `quiesce view` in a real browser: loaded from a file, zoomed, dragged, clicked, filtered, searched.

Usage: page_test.py QUIESCE [PICTURES]     PICTURES: a directory for pictures of what was tested
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import make_trace
from browser import Browser

QUIESCE = os.path.abspath(sys.argv[1])
PICTURES = Path(sys.argv[2]) if len(sys.argv) > 2 else None
EVENTS = 100_000
CHART = "quiesce_view.chart"


def write_page(folder, name, events):
    trace = Path(folder) / f"{name}.qtrace"
    records = make_trace.make(events)
    trace.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    subprocess.run([QUIESCE, "view", trace], check=True, stdout=subprocess.DEVNULL)
    return trace.with_suffix(".html"), records


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="quiesce-page-")
        cls.large, cls.large_records = write_page(cls.folder.name, "large", EVENTS)
        cls.small, _ = write_page(cls.folder.name, "small", 600)
        cls.browser = Browser().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        cls.folder.cleanup()

    def open(self, page):
        self.browser.open(page)
        self.box = self.browser.evaluate("(({x, y, width, height}) => ({x, y, width, height}))(document.getElementById('lanes').getBoundingClientRect())")

    def tearDown(self):
        self.assertEqual(self.browser.problems(), [])
        self.assertEqual(self.browser.requests(), [], "the page asks for nothing besides itself")

    def stats(self):
        return self.browser.evaluate(f"{CHART}.stats")

    def view(self):
        return self.browser.evaluate(f"[{CHART}.from, {CHART}.to, {CHART}.top]")

    def middle(self):
        return self.box["x"] + 176 + (self.box["width"] - 176) / 2, self.box["y"] + self.box["height"] / 2

    def shot(self, name):
        if PICTURES:
            PICTURES.mkdir(parents=True, exist_ok=True)
            self.browser.picture(PICTURES / f"{name}.png")

    def place_of(self, event):
        """The middle of an event on the screen."""
        x, y = self.browser.evaluate(f"""(() => {{
          const chart = {CHART}, rank = chart.model.rank[{event}];
          return [chart.x_of_rank(rank) + chart.width_of_rank(rank) / 2, chart.y_of(chart.lane_of({event})) + chart.lane_height / 2];
        }})()""")
        return self.box["x"] + x, self.box["y"] + y

    def details(self):
        return self.browser.evaluate("document.getElementById('details').innerText")

    def shown_step(self):
        """A step that can be seen well: (its event, what the trace has of it)."""
        event = self.browser.evaluate(f"""(() => {{
          const chart = {CHART}, model = chart.model;
          for (let rank = chart.rank_at(chart.from) + 1; rank < chart.rank_at(chart.to); ++rank) {{
            const event = model.step_of_rank[rank], lane = event < 0 ? -1 : chart.lane_of(event);
            if (lane >= 0 && chart.y_of(lane) > 40 && chart.y_of(lane) < chart.height - 40 && !model.actors[model.who[event]].marks.some((mark) => model.rank[mark] === rank)) return event;
          }}
          return -1;
        }})()""")
        self.assertGreaterEqual(event, 0)
        step = self.browser.evaluate(f"{CHART}.model.step[{event}]")
        record = next(r for r in self.large_records if r.get("event") == "step" and r["step"] == step)
        return event, record

    # ---- 100,000 events ----

    def test_a_large_trace_loads_whole(self):
        self.open(self.large)
        model = "quiesce_view.model"
        events = sum("event" in record for record in self.large_records)
        self.assertGreaterEqual(events, EVENTS)
        self.assertEqual(self.browser.evaluate(f"{model}.count"), events)
        lanes = sum(record.get("actor") in ("thread", "task", "body") for record in self.large_records)
        regions = sum(record.get("actor") == "region" for record in self.large_records)
        self.assertEqual(self.browser.evaluate(f"{CHART}.lanes.length"), lanes + regions)
        self.assertGreater(self.stats()["lanes"], 10)
        self.assertIn("assertion", self.browser.evaluate("document.getElementById('failure').innerText"))
        self.assertIn("money was lost: <b>90</b> & 100", self.browser.evaluate("document.getElementById('failure').innerText"))
        self.shot("large")

    def test_what_is_drawn_is_bounded_by_pixels_not_by_events(self):
        self.open(self.large)
        x, y = self.middle()
        worst, slowest = 0, 0
        frames = self.stats()["frames"]
        for i in range(30):
            if i % 3 == 0:
                self.browser.drag(x, y, x - 150 + 300 * (i % 2), y)
            else:
                self.browser.wheel(x + 40 * (i % 5), y, -180 if i < 15 else 180)
            stats = self.stats()
            bound = stats["lanes"] * self.box["width"] + 2000
            self.assertLessEqual(stats["items"], bound)
            worst, slowest = max(worst, stats["items"]), max(slowest, stats["ms"])
        self.assertGreaterEqual(self.stats()["frames"] - frames, 30)
        print(f"\n  of {EVENTS} events at most {worst} items drawn in a frame, the slowest in {slowest:.1f} ms", file=sys.stderr)

    def test_the_wheel_zooms_where_the_pointer_is(self):
        self.open(self.large)
        before = self.view()
        x, y = self.middle()
        position = f"{CHART}.position_at({x - self.box['x']})"
        at = self.browser.evaluate(position)
        for _ in range(6):
            self.browser.wheel(x, y, -300)
        after = self.view()
        self.assertLess(after[1] - after[0], (before[1] - before[0]) / 10)
        self.assertAlmostEqual(self.browser.evaluate(position), at, delta=(after[1] - after[0]) / 50)
        for _ in range(12):
            self.browser.wheel(x, y, 300)
        back = self.view()
        self.assertAlmostEqual(back[1] - back[0], (before[1] - before[0]) * 1.04, delta=(before[1] - before[0]) * 0.05)

    def test_dragging_and_keys_move_the_view(self):
        self.open(self.large)
        x, y = self.middle()
        for _ in range(6):
            self.browser.wheel(x, y, -300)
        before = self.view()
        self.browser.drag(x, y, x - 200, y - 60)
        after = self.view()
        self.assertGreater(after[0], before[0])
        self.assertAlmostEqual(after[1] - after[0], before[1] - before[0])
        self.assertEqual(after[2], before[2] + 60)
        self.browser.press("ArrowLeft")
        self.assertLess(self.view()[0], after[0])
        self.browser.press("+")
        self.assertLess(self.view()[1] - self.view()[0], after[1] - after[0])
        self.browser.press("0")
        self.assertGreater(self.view()[1] - self.view()[0], 80_000)

    def test_a_click_shows_the_steps_source_line_and_both_words(self):
        self.open(self.large)
        x, y = self.middle()
        for _ in range(14):
            self.browser.wheel(x, y, -300)
        event, record = self.shown_step()
        self.assertNotIn(record["where"], self.details())
        self.browser.click(*self.place_of(event))
        self.assertEqual(self.browser.evaluate(f"{CHART}.selected"), event)
        details = self.details()
        for part in (record["where"], record["text"], record["task"], record["region"], str(record["step"])):
            self.assertIn(part, details)
        self.assertEqual(self.browser.evaluate("document.querySelector('#rows .row.selected').dataset.event"), str(event))
        self.shot("clicked")
        self.browser.press("Escape")
        self.assertEqual(self.browser.evaluate(f"{CHART}.selected"), -1)

    def test_keys_walk_the_schedule(self):
        self.open(self.large)
        for key in "...":
            self.browser.press(key)
        self.assertEqual(self.browser.evaluate("quiesce_view.model.step[quiesce_view.chart.selected]"), 2)
        self.browser.press(",")
        self.assertEqual(self.browser.evaluate("quiesce_view.model.step[quiesce_view.chart.selected]"), 1)
        who = self.browser.evaluate("quiesce_view.model.who[quiesce_view.chart.selected]")
        self.browser.press(">")
        self.assertEqual(self.browser.evaluate("quiesce_view.model.who[quiesce_view.chart.selected]"), who)
        self.assertGreater(self.browser.evaluate("quiesce_view.model.step[quiesce_view.chart.selected]"), 1)

    def test_filters_hide_lanes_and_their_rows(self):
        self.open(self.large)
        lanes = "quiesce_view.chart.lanes"
        self.browser.press("w")
        self.browser.type("0.1.2, 0.3 ")
        names = self.browser.evaluate(f"{lanes}.filter((lane) => !lane.is_region).map((lane) => lane.actor.name)")
        self.assertIn("0.1.2", names)
        self.assertTrue(all("0.1.2" in name or "0.3" in name for name in names), names)
        rows = self.browser.evaluate("quiesce_view.table.events.length")
        self.assertLess(rows, EVENTS / 4)
        self.browser.evaluate("document.getElementById('who').value = ''; quiesce_view.filter()")
        self.browser.evaluate("""(() => {
          const select = document.getElementById('region');
          select.value = [...select.options].find((option) => option.text.trim() === '0.4').value;
          select.dispatchEvent(new Event('change'));
        })()""")
        self.browser.frame()
        names = self.browser.evaluate(f"{lanes}.map((lane) => lane.actor.name)")
        self.assertEqual(names[:2], ["0", "0.0"], "the regions that it is in")
        self.assertTrue(all(name.startswith("0.4") for name in names[2:]), names)
        self.assertGreaterEqual(len(names), 8)
        self.shot("filtered")

    def test_a_search_finds_and_goes_on(self):
        self.open(self.large)
        self.browser.press("/")
        self.browser.type("unlock")
        count = sum("unlock" in record.get("text", "") for record in self.large_records)
        self.assertEqual(self.browser.evaluate("document.getElementById('found').textContent"), f"{count} found")
        self.browser.press("Enter")
        first = self.browser.evaluate(f"{CHART}.selected")
        self.browser.press("Enter")
        self.assertGreater(self.browser.evaluate(f"{CHART}.selected"), first)
        self.assertEqual(self.browser.evaluate("document.getElementById('found').textContent"), f"2 of {count}")
        self.assertIn("bank.cpp:14", self.details())

    def test_the_failure_is_one_click_away(self):
        self.open(self.large)
        self.browser.evaluate("document.getElementById('failure-show').click()")
        self.browser.frame()
        step = self.large_records[0]["step"]
        self.assertEqual(self.browser.evaluate("quiesce_view.model.step[quiesce_view.chart.selected]"), step)
        self.assertTrue(self.browser.evaluate(f"{CHART}.from <= {CHART}.axis.at[{CHART}.failure_rank] && {CHART}.axis.at[{CHART}.failure_rank] <= {CHART}.to"))

    # ---- smaller ones ----

    def test_the_axis_can_be_time(self):
        self.open(self.small)
        self.browser.press("t")
        self.assertEqual(self.browser.evaluate("document.getElementById('axis-time').getAttribute('aria-pressed')"), "true")
        at = self.browser.evaluate("[...quiesce_view.chart.axis.at]")
        self.assertEqual(at, sorted(at))
        last = self.browser.evaluate("[...quiesce_view.model.ns].pop()")
        self.assertGreater(at[-1], last)
        # Every step lies after its instant has begun and before the next one does.
        wrong = self.browser.evaluate("""(() => {
          const {model, chart} = quiesce_view, {at} = chart.axis;
          const next = (ns) => [...model.ns].find((other) => other > ns) ?? Infinity;
          return [...model.step_of_rank].filter((event) => event >= 0 && !(at[model.rank[event]] >= model.ns[event] && at[model.rank[event]] < next(model.ns[event])));
        })()""")
        self.assertEqual(wrong, [])
        self.assertRegex(self.browser.evaluate("JSON.stringify(quiesce_view.chart.ruler_marks())"), r"\d (ms|µs|s)")
        self.shot("time")

    def test_edges_can_be_hidden(self):
        self.open(self.small)
        before = self.stats()["edges"]
        self.assertGreater(before, 10)
        self.browser.evaluate("document.querySelectorAll('#edges input').forEach((box) => box.click())")
        self.browser.frame()
        self.assertEqual(self.stats()["edges"], 0)

    def test_text_of_the_program_is_only_text(self):
        self.open(self.small)
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('script').length"), 2)
        self.assertTrue(self.browser.evaluate("quiesce_view.model.texts.includes('user: enough </script><b>')"))

    def test_a_trace_without_events_says_so(self):
        trace = Path(self.folder.name) / "empty.qtrace"
        trace.write_text('{"qtrace":1}\n{"end":true,"actors":0,"events":0}\n', encoding="utf-8")
        subprocess.run([QUIESCE, "view", trace], check=True, stdout=subprocess.DEVNULL)
        self.open(trace.with_suffix(".html"))
        self.assertTrue(self.browser.evaluate("document.getElementById('failure').hidden"))
        self.browser.press("+")
        self.browser.press(".")
        self.browser.click(*self.middle())

    def test_it_is_dark_where_the_reader_wants_that(self):
        def ground():
            return self.browser.evaluate("quiesce_view.chart.colors.ground")
        self.open(self.small)
        light = ground()
        self.browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.browser.frame()
        try:
            self.assertNotEqual(ground(), light)
            self.shot("dark")
        finally:
            self.browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)

"""The explorer in a real Chromium: no request, no complaint, every step shows what the timeline says."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager

import pytest

import minijax as mj
import minijax.numpy as mnp
from minijax.viz import explore
from tests.viz.explorer.programs import PROGRAMS, mlp, newton, spring

sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install 'minijax[test]'")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


class Opened:
    """A page in the browser, with all that it asked for and complained about."""

    def __init__(self, page, path, data):
        self.page, self.path, self.data = page, path, data
        self.requests, self.messages = [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("dialog", lambda dialog: (self.messages.append(dialog.message), dialog.dismiss()))

    def go(self, place=""):
        self.page.goto(f"file://{self.path}{place}")
        self.page.wait_for_selector(".ring", state="attached")

    def state(self):
        return self.page.evaluate(STATE)

    def stage(self, key):
        return next(stage for stage in self.data["stages"] if stage["key"] == key)

    def place(self):
        return self.page.evaluate("location.hash")


# What can be seen of the current step.
STATE = """() => ({
  ringed: [...document.querySelectorAll('#canvas [aria-current=step]')].map((x) => x.id),
  rings: document.querySelectorAll('.ring').length,
  marked: [...document.querySelectorAll('#source .now')].map((x) => x.textContent),
  lines: [...document.querySelectorAll('#source .line')].filter((x) => x.querySelector('.now')).map((x) => x.dataset.line),
  title: document.querySelector('#card h3').textContent,
  rule: document.querySelector('#card .rule')?.textContent ?? '',
  names: [...document.querySelectorAll('#card .name')].map((x) => x.firstChild.textContent),
  caption: document.querySelector('#caption').textContent,
  count: document.querySelector('#count').textContent,
  selected: [...document.querySelectorAll('#steps [aria-selected=true]')].map((x) => x.id),
  stage: [...document.querySelectorAll('[role=tab][aria-selected=true]')].map((x) => x.textContent),
})"""


@contextmanager
def opened(chromium, tmp_path, page, place="", **options):
    """An explorer in a context of its own that has no network."""
    context = chromium.new_context(**{"viewport": {"width": 1400, "height": 900}, "offline": True, **options})
    path = page.save(tmp_path / "explorer.html")
    text = path.read_text()
    data = json.loads(re.search(r'id="timeline">(.*?)</script>', text, re.DOTALL)[1])
    found = Opened(context.new_page(), path, data)
    found.go(place)
    yield found
    context.close()


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_step_of_every_stage_shows_what_the_timeline_says(chromium, tmp_path, name):
    function, args = PROGRAMS[name]
    with opened(chromium, tmp_path, explore(function)(*args)) as it:
        for stage in it.data["stages"]:
            for number, step in enumerate(stage["steps"], 1):
                assert it.place() == f"#{stage['key']}/{number}"
                check(it, stage, step, number)
                it.page.keyboard.press("ArrowRight")
        assert len(it.requests) == 1 and it.requests[0].startswith("file://")
        assert it.messages == []


def check(it, stage, step, number):
    seen = it.state()
    assert (seen["ringed"], seen["rings"]) == ([step["node"]], 1)
    assert (seen["title"], seen["caption"], seen["rule"]) == (step["title"], step["sentence"], step["rule"])
    assert seen["count"] == f"step {number} of {len(stage['steps'])}"
    assert seen["selected"] == [f"option-{number - 1}"]
    assert len(seen["stage"]) == 1 and stage["title"] in seen["stage"][0]
    assert sorted(seen["names"]) == sorted(q["name"] for q in step["reads"] + step["writes"])
    if step["spans"]:
        block, first, column, last, end = step["spans"][0]
        lines = it.data["blocks"][block]["lines"]
        first_of = it.data["blocks"][block]["first"]
        wanted = [lines[n - first_of]["text"] for n in range(first, last + 1)]
        wanted[-1] = wanted[-1][:end]
        wanted[0] = wanted[0][column:]
        assert "".join("".join(seen["marked"]).split()) == "".join("".join(wanted).split())
        assert seen["lines"] == [f"{block}:{n}" for n in range(first, last + 1)]
    else:
        assert seen["marked"] == []


def slots(it, node):
    return it.page.eval_on_selector_all(
        f"#canvas [id='{node}'] > .slot", "(all) => all.map((x) => x.textContent.trim())"
    )


def test_values_appear_as_they_are_computed(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), "#eval/3") as it:
        assert (slots(it, "e0"), slots(it, "e1")) == (["= -2", ""], ["?", ""])  # not computed yet is not 0
        it.go("#jvp/3")
        it.page.reload()
        assert (slots(it, "e0"), slots(it, "e1")) == (["= -2", "dc = -1"], ["= -2", "?"])


def test_cotangents_fill_in_backwards_and_add_up_in_view(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(PROGRAMS["shared"][0])(1.5), "#transpose/1") as it:
        assert slots(it, "v0") == ["= 1.5", "?"]
        seen = []
        for _ in it.stage("transpose")["steps"]:
            seen.append(slots(it, "v0")[1])
            it.page.keyboard.press("ArrowRight")
        assert list(dict.fromkeys(seen)) == ["?", "ct(a) = 5 + \u2026", "ct(a) = 9"]
        assert it.page.locator("#canvas svg").get_attribute("class").endswith("backward")


def test_going_back_takes_values_away_again(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), "#eval/5") as it:
        assert slots(it, "e2")[0] == "= 0"
        it.page.keyboard.press("ArrowLeft")
        assert slots(it, "e2")[0] == "?"
        assert "todo" in it.page.locator("#canvas #e2").get_attribute("class")


def test_the_keys_do_what_the_help_says(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3)) as it:
        press, last = it.page.keyboard.press, len(it.stage("eval")["steps"])
        for key, place in (
            ("End", f"#eval/{last}"),
            ("ArrowRight", "#jvp/1"),
            ("ArrowLeft", f"#eval/{last}"),
            ("Home", "#eval/1"),
            ("ArrowLeft", "#eval/1"),
            ("ArrowDown", "#jvp/1"),
            ("ArrowDown", "#linearize/1"),
            ("ArrowDown", "#transpose/1"),
            ("ArrowDown", "#transpose/1"),
            ("ArrowUp", "#linearize/1"),
        ):
            press(key)
            assert it.place() == place, key
        width = "document.querySelector('#canvas svg').getBoundingClientRect().width"
        before = it.page.evaluate(width)
        press("+")
        grown = it.page.evaluate(width)
        press("-")
        assert grown > before * 1.2
        assert abs(it.page.evaluate(width) - before) < 2
        for key, where in (("v", "card"), ("/", "search")):
            press(key)
            assert it.page.evaluate("document.activeElement.id") == where
        press("Escape")
        press("s")
        assert it.page.evaluate("document.activeElement.className").startswith("line")
        press("d")
        assert it.page.evaluate("document.documentElement.dataset.theme") == "dark"
        press("?")
        assert it.page.evaluate("document.querySelector('#keys').open")
        press("Escape")
        press("ArrowUp")
        assert it.messages == []


def test_play_goes_on_by_itself_and_any_step_stops_it(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), "#eval/1", reduced_motion="reduce") as it:
        it.page.keyboard.press(" ")
        assert it.page.inner_text("#play") == "pause"
        sync_api.expect(it.page.locator("#count")).to_have_text("step 3 of 23")
        it.page.keyboard.press("ArrowLeft")
        assert it.page.inner_text("#play") == "play"


def test_search_finds_equations_and_source(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), "#eval/1") as it:
        hits = [
            n for n, s in enumerate(it.stage("eval")["steps"], 1) if "exp" in s["title"] or "Line 19" in s["sentence"]
        ]
        it.page.keyboard.press("/")
        it.page.keyboard.type("MNP.EXP")  # in the text of a line; upper and lower case are the same
        assert it.page.inner_text("#found") == f"{len(hits)} found"
        shown = it.page.eval_on_selector_all("#steps li:not(.miss)", "(all) => all.map((x) => x.id)")
        assert shown == [f"option-{n - 1}" for n in hits]
        assert it.page.locator("#canvas .node.match").count() == len(hits)
        it.page.keyboard.press("Enter")
        assert it.place() == f"#eval/{hits[0]}"
        assert it.page.inner_text("#found") == f"1 of {len(hits)}"
        it.page.keyboard.press("Enter")
        assert it.place() == f"#eval/{hits[1]}"
        it.page.keyboard.type("x")
        assert it.page.inner_text("#found") == "none"
        it.page.keyboard.press("Escape")
        assert it.page.locator("#steps li.miss").count() == it.page.locator("#canvas .match").count() == 0


def test_pointing_at_a_node_lights_its_source_and_the_other_way_round(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), "#eval/3") as it:
        it.page.hover("#canvas #e4 > text >> nth=0")
        assert it.page.eval_on_selector_all("#source .lit", "(all) => all.map((x) => x.textContent)") == [
            "0.5 * force"
        ]
        it.page.hover("#source [data-line='0:16']")  # v = v + 0.5 * force, twice round the loop
        lit = it.page.eval_on_selector_all("#canvas .lit", "(all) => all.map((x) => x.id)")
        assert sorted(lit) == sorted(
            s["node"] for s in it.stage("eval")["steps"] if s["spans"][:1] and s["spans"][0][1] == 16
        )
        it.page.hover("#caption")
        assert it.page.locator(".lit").count() == 0
        it.page.click("#canvas #e1 > text >> nth=0")
        assert it.state()["ringed"] == ["e1"]
        it.page.click("#source [data-line='0:17']")
        assert it.state()["ringed"] == ["e6"]
        it.page.click("#steps li >> nth=1")
        assert it.place() == "#eval/2"


def test_lines_can_be_walked_with_the_keyboard_and_light_their_nodes(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), "#eval/1") as it:
        it.page.keyboard.press("s")
        it.page.keyboard.press("ArrowDown")
        assert it.page.evaluate("document.activeElement.dataset.line") == "0:16"
        assert it.page.locator("#canvas .lit").count() == 4
        it.page.keyboard.press("Enter")
        assert it.state()["lines"] == ["0:16"]


def test_the_captured_path_is_marked_in_words_too(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3)) as it:
        tagged = "(all) => all.map((x) => [x.dataset.line, x.querySelector('.tag').textContent])"
        assert it.page.eval_on_selector_all("#source .line:has(.tag)", tagged) == [
            ["0:19", "ran"],
            ["0:21", "did not run"],
        ]
        assert it.page.inner_text("#source .dead") == "cost = mnp.sin(x) ** 2"


def test_the_address_keeps_the_place(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), "#transpose/7") as it:
        assert it.state()["title"] == it.stage("transpose")["steps"][6]["title"]
        it.page.evaluate("location.hash = '#jvp/4'")
        sync_api.expect(it.page.locator("#count")).to_have_text("step 4 of 23")
        for nonsense in ("#nothing/3", "#eval/99999", "#eval/0", "#%3Cb%3E"):
            it.go(nonsense)
            it.page.reload()
            assert it.state()["rings"] == 1
        assert it.messages == []


def test_the_slider_steps_and_tells_its_value(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3)) as it:
        it.page.fill("#slider", "6")
        assert it.place() == "#eval/6"
        assert it.page.get_attribute("#slider", "aria-valuetext") == "step 6 of 23: f = sub d e"


def test_the_page_reads_well_without_sight(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(lambda x: mnp.sin(x) * 2.0)(1.0), "#eval/2") as it:
        sync_api.expect(it.page.locator("header")).to_match_aria_snapshot(
            """
            - heading /.*at x = 1/ [level=1]
            - tablist "Stages":
              - tab "1 Values eval" [selected]
              - tab "2 Tangents jvp"
              - tab "3 Linear program linearize"
              - tab "4 Cotangents transpose"
            - search:
              - searchbox "Search the steps"
            """
        )
        sync_api.expect(it.page.locator("#steps")).to_match_aria_snapshot(
            """
            - listbox "All steps":
              - option "The argument x is given. a is 1."
              - option /b is 0.84147/ [selected]
              - option /c is 1.68294/
              - option "The function returns 1.68294."
            """
        )
        assert it.page.get_attribute("#canvas svg", "aria-label") == "<lambda>: 2 equations."
        assert it.page.get_attribute("#caption", "aria-live") == "polite"
        unnamed = "(all) => all.filter((x) => !(x.textContent.trim() || x.ariaLabel || x.labels?.length)).length"
        assert it.page.eval_on_selector_all("button, input, [role=button]", unnamed) == 0


def test_the_focus_goes_from_top_to_bottom_and_the_listing_is_one_stop(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), "#eval/4") as it:
        order = []
        for _ in range(20):
            it.page.keyboard.press("Tab")
            order.append(
                it.page.evaluate(
                    "document.activeElement.id || document.activeElement.dataset.line || document.activeElement.textContent"
                )
            )
        buttons = ["search", "theme", "help", "0:15", "out", "fit", "in", "e1", "card", "steps"]
        assert order[0].startswith("1 Values")
        assert order[1 : 1 + len(buttons)] == buttons
        assert order[1 + len(buttons) :][:6] == ["first", "back", "play", "next", "last", "slider"]


CONTRAST = """() => {
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number); return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
  const ground = (x) => { for (; x; x = x.parentElement) { const c = getComputedStyle(x).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return c; } return 'rgb(255,255,255)'; };
  const bad = [];
  for (const x of document.querySelectorAll('h1, h2, h3, h4, p, .line .code span, .line .place, .tag, .chip, .type, .number, .rule, .ran, #steps span, button:not(:disabled), #count, th, td')) {
    if (!x.textContent.trim() || !x.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(x).color), light(ground(x))].sort((m, n) => n - m);
    if ((a + 0.05) / (b + 0.05) < 4.5) bad.push([x.tagName, x.className, x.textContent.slice(0, 20), (a + 0.05) / (b + 0.05)]);
  }
  return bad;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(chromium, tmp_path, theme):
    for place in ("#eval/20", "#transpose/9"):
        with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), place, color_scheme=theme) as it:
            assert it.page.evaluate("document.documentElement.dataset.theme") == theme
            assert it.page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("size", [(1400, 900), (1000, 700), (640, 900), (390, 800)])
def test_nothing_is_cut_off_at_the_sides(chromium, tmp_path, size):
    viewport = {"width": size[0], "height": size[1]}
    with opened(chromium, tmp_path, explore(mlp)(*PROGRAMS["mlp"][1]), "#transpose/4", viewport=viewport) as it:
        assert it.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        for pane in ("#source", "#canvas", "#card", "#slider", "#caption", "#count"):
            box = it.page.locator(pane).bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= size[0] and box["height"] > 15, pane
        if size[0] > 720:
            assert it.page.evaluate("document.documentElement.scrollHeight <= innerHeight")


def test_on_a_phone_every_step_is_in_sight_above_the_controls(chromium, tmp_path):
    viewport = {"width": 390, "height": 800}
    page = explore(spring)(2.0, 0.3)
    with opened(chromium, tmp_path, page, viewport=viewport, reduced_motion="reduce") as it:
        for _ in it.stage("eval")["steps"]:
            assert ring_is_in_sight(it)
            assert it.page.evaluate(
                "document.querySelector('.ring').getBoundingClientRect().bottom <= document.querySelector('footer').getBoundingClientRect().top"
            )
            it.page.keyboard.press("ArrowRight")


def test_reduced_motion_moves_nothing(chromium, tmp_path):
    duration = "getComputedStyle(document.querySelector('#canvas .node > path')).transitionDuration"
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), reduced_motion="reduce") as it:
        assert it.page.evaluate(duration) == "0s"
        it.page.keyboard.press("End")  # far down: there at once, without gliding
        assert ring_is_in_sight(it)
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), reduced_motion="no-preference") as it:
        assert it.page.evaluate(duration) == "0.2s"


def ring_is_in_sight(it):
    return it.page.evaluate(
        """() => { const r = document.querySelector('.ring').getBoundingClientRect(), c = document.querySelector('#canvas').getBoundingClientRect();
        return r.top >= c.top && r.bottom <= c.bottom && r.left >= c.left && r.right <= c.right; }"""
    )


def test_it_prints_source_graph_and_all_steps(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3), "#transpose/5", color_scheme="dark") as it:
        pdf = it.page.pdf(print_background=True)
        assert pdf.startswith(b"%PDF") and len(pdf) > 20_000
        it.page.emulate_media(media="print")
        rows = it.page.locator("#print tbody tr")
        assert rows.count() == len(it.stage("transpose")["steps"])
        assert rows.nth(4).get_attribute("class") == "current"
        assert it.page.locator("#print").is_visible() and it.page.locator("#canvas svg").is_visible()
        assert not it.page.locator(".transport").is_visible() and not it.page.locator("#find").is_visible()
        colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        assert it.page.evaluate(colours) == ["rgb(255, 255, 255)", "rgb(26, 26, 26)"]  # on paper, whatever the screen


def chain(x):
    for _ in range(500):
        x = mnp.sin(x) * 0.99
    return x


CHANGES = """async () => {
  let count = 0;
  const watch = new MutationObserver((all) => { count += all.length; });
  watch.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  document.getElementById('next').click();
  await Promise.resolve();
  count += watch.takeRecords().length;
  watch.disconnect();
  return count;
}"""


def test_a_thousand_equations_stay_usable(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(chain)(0.3), "#eval/700", reduced_motion="reduce") as it:
        assert it.path.stat().st_size < 6_000_000
        assert it.page.locator("#canvas g.node.equation").count() == 1000
        for key in ("ArrowRight", "End", "ArrowRight", "End", "ArrowDown", "End", "ArrowRight", "ArrowRight"):
            it.page.keyboard.press(key)
            key, number = it.place()[1:].split("/")
            check(it, it.stage(key), it.stage(key)["steps"][int(number) - 1], int(number))
            assert ring_is_in_sight(it)
        assert it.page.evaluate(CHANGES) < 100  # a step touches what changed, not a thousand nodes
        assert it.messages == []


def longer(x):
    for _ in range(1000):
        x = mnp.sin(x) * 0.99
    return x


def test_a_larger_program_is_folded_and_a_node_shows_the_round_that_the_step_is_about(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(longer)(0.3), "#transpose/1000") as it:
        assert it.page.locator("#canvas g.node.equation").count() == 2
        step = it.stage("transpose")["steps"][999]
        check(it, it.stage("transpose"), step, 1000)
        value = next(q for q in step["reads"] if q["role"] == "cotangent")
        assert slots(it, step["node"])[1].endswith(it.data["values"][value["value"]]["short"])


def hostile(d):
    names = list(d)
    return d[names[0]] * 2.0 + d[names[1]] * d[names[2]] + d[names[3]]


HOSTILE = {
    "</script><img src=x onerror=alert(1)>": 1.0,
    "\"'><svg onload=alert(2)>": 2.0,
    "gnp.\u202eexe\u2066": 3.0,
    "]]>&lt;b&gt;<!--\x00\ud800$title{{": 4.0,
}


def test_hostile_names_leave_nothing_behind(chromium, tmp_path):
    page = explore(hostile)(HOSTILE)
    with opened(chromium, tmp_path, page) as it:
        for _ in range(sum(len(stage["steps"]) for stage in it.data["stages"])):
            it.page.keyboard.press("ArrowRight")
        assert it.page.locator("img, b:not(.sum b), [onload], [onerror], script[src]").count() == 0
        assert it.page.locator("svg svg").count() == 0
        assert len(it.requests) == 1 and it.messages == []
        assert "</script><img src=x onerror=alert(1)>" in it.page.inner_text("#steps")
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", it.page.content())


def test_the_policy_lets_no_other_script_run(chromium, tmp_path):
    with opened(chromium, tmp_path, explore(spring)(2.0, 0.3)) as it:
        it.page.evaluate(
            """() => { const s = document.createElement('script'); s.textContent = 'window.pwned = 1'; document.body.append(s); }"""
        )
        it.page.evaluate(
            "() => { const i = new Image(); i.src = 'https://example.com/x.png'; document.body.append(i); }"
        )
        assert it.page.evaluate("window.pwned") is None
        assert len(it.messages) == 2 and all("Content Security Policy" in text for text in it.messages)


def test_a_notebook_shows_it_in_a_sandboxed_frame(chromium, tmp_path):
    frame = explore(newton)(7.0)._repr_html_()
    assert 'sandbox="allow-scripts"' in frame
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8><p>cell</p>{frame}")
    context = chromium.new_context(offline=True, viewport={"width": 1100, "height": 900})
    page = context.new_page()
    messages = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(f"file://{path}")
    inside = page.frame_locator("iframe")
    inside.locator("#next").click()
    sync_api.expect(inside.locator("#count")).to_have_text(re.compile("^step 2 of"))
    inside.locator("body").press("ArrowRight")
    sync_api.expect(inside.locator("#count")).to_have_text(re.compile("^step 3 of"))
    assert messages == []
    context.close()


def test_without_scripts_the_graph_and_a_sentence_are_there(chromium, tmp_path):
    path = explore(spring)(2.0, 0.3).save(tmp_path / "plain.html")
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(f"file://{path}")
    assert page.locator("#canvas svg .node").count() > 20
    assert "Stepping needs JavaScript" in page.inner_text("noscript")
    context.close()


def test_a_source_that_is_not_to_be_had_leaves_the_rest_working(chromium, tmp_path):
    scope = {"mnp": mnp}
    exec("def f(x):\n    return mnp.sin(x) * x\n", scope)
    with opened(chromium, tmp_path, explore(scope["f"])(1.0), "#eval/2") as it:
        assert "the source text is not available" in it.page.inner_text("#source")
        assert it.state()["rings"] == 1
        assert it.messages == []


def test_arrays_are_tables_or_histograms_with_words(chromium, tmp_path):
    page = explore(lambda x: (mnp.sin(x), mnp.sum(mnp.log(x - 1.0))))(mnp.arange(200.0))
    with opened(chromium, tmp_path, page, "#eval/1") as it:
        assert it.page.get_attribute("#card .bars", "aria-label").startswith("Histogram from 0 to 199: 9, 8,")
        it.page.keyboard.press("End")
        assert "1 NaN" in it.page.inner_text("#card") and "nan" in it.page.inner_text("#card")
    with opened(chromium, tmp_path, explore(mj.jit(lambda x: x * 2.0))(mnp.eye(3)), "#eval/2") as it:
        cells = it.page.eval_on_selector_all(
            "#card .grid >> nth=0 >> tr", "(all) => all.map((x) => x.innerText.split(/\\s+/).filter(Boolean))"
        )
        assert cells == [["[0]", "1", "0", "0"], ["[1]", "0", "1", "0"], ["[2]", "0", "0", "1"]]

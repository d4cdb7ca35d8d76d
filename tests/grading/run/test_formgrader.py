"""A hand-in full of scripts in the page on which it is graded: nothing of it runs, what is honest shows.

A real JupyterLab, started as a teaching assistant starts it, and a real browser. The picture goes to
build/pictures, to be looked at.
"""

import base64
import contextlib
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import nbformat
import pytest
from nbgrader.api import Gradebook

from grading.commands.feedback import generate_feedback
from grading.commands.run import results
from grading.config import load_config
from grading.gradebook.record import record
from grading.gradebook.store import store_of
from grading.handins.plan import plan
from tests.browser import conftest as browser
from tests.grading.run.conftest import A, MadeUp, cell_of
from tests.helpers import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PICTURES = ROOT / "build" / "pictures"
OUTSIDE = "https://elsewhere.example"
PATIENCE = 15_000  # milliseconds
BAIT = re.compile("a link that is none|a word that is a button|a button of its own")

page = browser.page


def ran(name):
    """A script that says that it ran, and gives every cell of the hand-in 4 points."""
    return (
        f"console.log('ran {name}');"
        "fetch(base_url + '/api/grades?submission_id=' + submission_id).then(a => a.json()).then(all => "
        "all.forEach(one => fetch(base_url + '/api/grade/' + one.id, {method: 'PUT', "
        "headers: {'X-CSRFToken': getCookie('_xsrf'), 'X-XSRFToken': getCookie('_xsrf')}, "
        "body: JSON.stringify({id: one.id, manual_score: 4})})))"
    )


def attacks(name):
    """Ways into a page by HTML: each says its own name if it works, or fetches something of that name."""
    return f"""
<script>{ran(name + "-script")}</script>

<p>one <img src="{OUTSIDE}/{name}-none.png" onerror="{ran(name + "-onerror")}"> two</p>

<svg onload="{ran(name + "-svg")}"><script>{ran(name + "-in-svg")}</script></svg>

<iframe srcdoc="<script>console.log('ran {name}-srcdoc')</script>"></iframe>
<iframe src="{OUTSIDE}/{name}-iframe"></iframe><object data="{OUTSIDE}/{name}-object"></object>

<a class="{name}-link" href="javascript:{ran(name + "-link")}">a link that is none</a>

<details open ontoggle="{ran(name + "-toggle")}"><summary>more</summary></details>

<link rel="stylesheet" href="{OUTSIDE}/{name}-sheet.css">
<style>body {{ background: url({OUTSIDE}/{name}-style) }}</style>

<div style="background: url({OUTSIDE}/{name}-background)">loads</div>
<div style='font-family:"x&quot;;background:url({OUTSIDE}/{name}-entity)'>loads by an entity</div>

<form action="{OUTSIDE}/{name}-form"><button class="full-credit">a button of its own</button></form>
<b id="essay">a name of the page's own</b>

<p class="full-credit" id="{name}-full">a word that is a button</p>

<math><mtext><table><mglyph><style><img src="x" onerror="{ran(name + "-confusion")}"></style></table></math>
"""


WAYS = ("script", "onerror", "svg", "in-svg", "srcdoc", "toggle")
"""Those that need no click, and that a browser of today lets through."""


def picture():
    """A red square as a PNG file."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\0" + b"\xd5\x5e\0" * 40) * 40
    header = struct.pack(">IIBBBBB", 40, 40, 8, 2, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


FIGURE = base64.b64encode(picture()).decode()
HONEST = f"""
<img src="data:image/png;base64,{FIGURE}" alt="a red square" style="max-width:100%">
<table border="1" class="dataframe"><thead><tr><th>kernel</th></tr></thead>
<tbody><tr><td>3 × 3</td></tr></tbody></table>
<p style="color:#0072B2">in blue</p>
<section class="ck"><style>.ck.ck{{border-left:6px solid #D55E00;padding:10px}}</style>
<p class="ck-title"><code>double</code>: 1 of 2 cases passed</p></section>
"""
PROSE = """
## What I found

The loss is $x^2$ and **falls**; see [the paper](https://example.org/paper).

| rate | loss |
| ---- | ---- |
| 0.1  | 2.25 |

```python
print("a listing")
```
"""

SHOWS = """
def double(x):
    return 2 * x

display({"text/html": HONEST}, raw=True)
display({"image/png": FIGURE}, raw=True)
display({"text/html": ATTACKS}, raw=True)
display({"text/markdown": "Words.\\n" + ATTACKS}, raw=True)
display({"application/javascript": JAVASCRIPT}, raw=True)
display({"image/svg+xml": SVG}, raw=True)
"""


def hostile(made_up):
    """Attacks in everything that a hand-in shows, and what an honest one would show between them."""
    values = {
        "HONEST": HONEST,
        "FIGURE": FIGURE,
        "ATTACKS": attacks("html"),
        "JAVASCRIPT": ran("javascript"),
        "SVG": f'<svg xmlns="http://www.w3.org/2000/svg"><script>{ran("svg")}</script></svg>',
    }
    shows = SHOWS
    for name, value in values.items():
        shows = re.sub(rf"\b{name}\b", lambda _, value=value: repr(value), shows)  # type: ignore[misc]
    notebook = made_up.solved(double=shows, essay=PROSE + attacks("essay"))
    cell_of(notebook, "essay").attachments = {"a.png": {"image/png": '"><script>' + ran("attachment")}}
    cell_of(notebook, "essay").source += "\n![pasted](attachment:a.png)\n"
    of_its_own = nbformat.v4.new_markdown_cell(f"![far]({OUTSIDE}/picture.png)\n" + attacks("markdown"))
    raw = nbformat.v4.new_raw_cell(attacks("raw") + f'<base href="{OUTSIDE}/">')
    away = f'<meta http-equiv="refresh" content="2; url={OUTSIDE}/refresh">'
    notebook.cells += [of_its_own, raw, nbformat.v4.new_markdown_cell(away)]
    return notebook


@pytest.fixture(scope="module")
def graded_once(blueprint, tmp_path_factory):
    """The folder of a course in which the hostile hand-in was graded."""
    root = tmp_path_factory.mktemp("hostile") / "course"
    shutil.copytree(blueprint, root)
    made_up = MadeUp(load_config(root / "course.toml"))
    made_up.hand_in("mallory", hostile(made_up))
    record(made_up.config, A, list(results(plan(made_up.config, A), store_of(made_up.config), quiet=True)))
    return root


@pytest.fixture
def graded(graded_once, tmp_path):
    """A copy of it: what a page saves is there for no other test."""
    shutil.copytree(graded_once, tmp_path / "course")
    return MadeUp(load_config(tmp_path / "course" / "course.toml"))


@contextlib.contextmanager
def lab(tree, home):
    """The address of a JupyterLab started in the course's tree."""
    log = home / "lab.log"
    home.mkdir()
    words = ("lab", "--no-browser", "--port=0", "--allow-root", "--IdentityProvider.token=")
    settings = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", *words],
            cwd=tree,
            env={**os.environ, **settings, "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield browser.wait_for_address(server, log)
    finally:
        server.terminate()
        server.wait(timeout=20)


@dataclass
class Visit:
    """What an open page did: scripts of the hand-in that ran, addresses elsewhere, grades that were saved."""

    ran: set[str] = field(default_factory=set)
    outside: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)


MATHJAX = "window.MathJax = {Hub: {Config() {}, Queue() {}, Startup: {signal: {Interest() {}}}}};"


def visit(page, made_up, address):
    """Open the hand-in in the formgrader; nothing outside answers but the page's own MathJax."""
    seen = Visit()

    def outside(route):
        if "/mathjax/" in route.request.url:
            route.fulfill(body=MATHJAX, content_type="text/javascript")
        else:
            seen.outside.append(route.request.url)
            route.abort()

    def spoken(message):
        if message.text.startswith("ran "):
            seen.ran.add(message.text.removeprefix("ran "))

    page.on("console", spoken)
    page.route(lambda url: urlsplit(url).hostname not in (None, "127.0.0.1"), outside)
    page.on("request", lambda request: seen.saved.append(request.url) if request.method == "PUT" else None)
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        submission = gradebook.find_submission_notebook(A, A, "mallory").id
    page.goto(f"{address}/formgrader/submissions/{submission}/")
    page.wait_for_load_state("networkidle")
    return seen


def by_hand(made_up):
    """Points and comments that are in the gradebook beside the automatic ones."""
    with Gradebook(made_up.config.gradebook, "made-up") as gradebook:
        notebook = gradebook.find_submission_notebook(A, A, "mallory")
        points = {each.name: each.manual_score for each in notebook.grades}
        comments = {each.name: each.manual_comment for each in notebook.comments}
        return tuple({name: value for name, value in those.items() if value} for those in (points, comments))


def is_saving(response):
    return response.request.method == "PUT"


def test_nothing_of_a_hand_in_runs_and_it_can_be_graded(page, graded, tmp_path):
    with lab(graded.config.tree, tmp_path / "home") as address:
        seen = visit(page, graded, address)

        for word in page.locator(".rendered_html").get_by_text(BAIT).all():
            word.click(timeout=PATIENCE)
        page.wait_for_load_state("networkidle")
        assert (seen.ran, seen.outside, seen.saved) == (set(), [], [])
        assert by_hand(graded) == ({}, {})
        shows_what_is_honest(page)
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / "formgrader.png", full_page=True)

        for box, text in ("#essay", "3"), ("#essay-comment", "Well argued."):
            with page.expect_response(is_saving, timeout=PATIENCE) as answer:
                page.locator(box).click()
                page.keyboard.type(text)
                page.keyboard.press("Tab")
            assert answer.value.ok
        assert (seen.ran, seen.outside) == (set(), [])
    assert by_hand(graded) == ({"essay": 3}, {"essay": "Well argued."})


def shows_what_is_honest(page):
    """Figures, tables, colours, cards, mathematics and Markdown are there to be seen."""
    figure = page.get_by_alt_text("a red square")
    assert figure.is_visible()
    assert figure.evaluate("image => image.naturalWidth") == 40
    assert page.locator(".output_png img").evaluate("image => image.naturalWidth") == 40
    assert page.get_by_role("cell", name="3 × 3").is_visible()
    assert page.get_by_role("cell", name="2.25").is_visible()
    colour = "element => getComputedStyle(element)."
    assert page.get_by_text("in blue", exact=True).evaluate(colour + "color") == "rgb(0, 114, 178)"
    assert page.locator("section.ck").evaluate(colour + "borderLeftWidth") == "6px"
    assert "$x^2$" in page.get_by_text("The loss is").inner_text()
    assert page.get_by_role("heading", name="What I found").is_visible()
    assert page.locator(".rendered_html .highlight").get_by_text('print("a listing")').is_visible()
    link = page.get_by_role("link", name="the paper")
    assert link.get_attribute("rel") == "noopener noreferrer"


def test_the_attacks_work_where_nothing_is_cleaned(page, graded, tmp_path):
    """Else the test above would pass for want of attacks."""
    settings = graded.config.tree / "nbgrader_config.py"
    ours = settings.read_text()
    settings.write_text(ours.replace("c.HTMLExporter", "c.Nobody"))
    try:
        with lab(graded.config.tree, tmp_path / "home") as address:
            seen = visit(page, graded, address)
    finally:
        settings.write_text(ours)
    assert {f"{cell}-{way}" for cell in ("essay", "markdown", "html") for way in WAYS} | {
        "javascript"
    } <= seen.ran
    assert f"{OUTSIDE}/essay-entity" in seen.outside
    assert seen.saved


def test_feedback_pages_are_cleaned_the_same_way(page, graded):
    generate_feedback(graded.config, A)
    (file,) = (graded.config.tree / "feedback" / "mallory" / A).glob("*.html")
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.route(lambda url: url.startswith("http"), lambda route: route.abort())
    page.goto(file.as_uri())
    page.wait_for_load_state("networkidle")
    assert [text for text in said if text.startswith("ran ")] == []
    assert [url for url in asked if url.startswith("http") and "/mathjax/" not in url] == []
    shows_what_is_honest(page)

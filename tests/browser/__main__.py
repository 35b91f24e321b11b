"""``make screenshots``: the top of a training's page, as the README shows it."""

import pathlib
import tempfile

from tests.browser.pages import browser, make_pages

TARGET = pathlib.Path(__file__).resolve().parents[2] / "docs" / "scorecard.png"

with tempfile.TemporaryDirectory() as folder, browser() as driver:
    pages = make_pages(pathlib.Path(folder), tracks_per_genre=8, training=[])
    driver.get((pages.artifacts / "scorecard.html").as_uri())
    driver.save_screenshot(str(TARGET))
print(TARGET)

"""The pages and the MLflow UI in a real browser: nothing on the console, right figures, clicks that answer."""

import collections
import json
import urllib.parse

import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.soak
pytest.importorskip("selenium")

from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

from deepsound.training.mlflow_store import address_of_runs  # noqa: E402
from tests.browser.pages import Pages, are_here, browser, make_pages, ui_of  # noqa: E402


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Pages:
    if not are_here():
        pytest.skip("no chromium and chromedriver here: apt-get install chromium-driver")
    return make_pages(
        tmp_path_factory.mktemp("pages"), tracks_per_genre=8, training=["folds=2", "epochs=10", "report.audio=6"]
    )


@pytest.fixture
def driver(pages):  # noqa: ARG001  a browser is for pages
    with browser() as opened:
        yield opened


def complaints(driver):
    return [line["message"] for line in driver.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]


def read_kind(pages, kind):
    """Where a page lies, the accuracy that it should show, and the predictions that it is made of."""
    if kind == "training":
        table = pq.read_table(pages.artifacts / "predictions.parquet")
        return pages.artifacts / "scorecard.html", pages.outcome["folds"]["accuracy"], table
    accuracy = json.loads((pages.scores / "metrics.json").read_text(encoding="utf-8"))["accuracy"]
    return pages.scores / "scorecard.html", accuracy, pq.read_table(pages.scores / "predictions")


@pytest.mark.parametrize("kind", ["training", "collection"])
def test_a_page_answers(pages, driver, kind):
    path, accuracy, predictions = read_kind(pages, kind)
    driver.get(path.as_uri())
    assert driver.find_element(By.CSS_SELECTOR, ".figure").text.startswith(f"{100 * accuracy:.0f} %")
    rows = predictions.select(["genre", "predicted_genre", "track_id"]).to_pylist()
    (own, other), n = collections.Counter((row["genre"], row["predicted_genre"]) for row in rows).most_common(1)[0]
    pick = "cell=" + ",".join(urllib.parse.quote(name, safe="") for name in (own, other))
    cell = driver.find_element(By.CSS_SELECTOR, f'[data-pick="{pick}"]')
    ActionChains(driver).scroll_to_element(cell).move_to_element(cell).click().perform()
    wanted = {row["track_id"] for row in rows if (row["genre"], row["predicted_genre"]) == (own, other)}
    assert len(listed(driver)) == n
    assert set(listed(driver)) == wanted
    assert driver.current_url.endswith("#" + pick)
    audio = driver.find_element(By.TAG_NAME, "audio")
    WebDriverWait(driver, 30).until(lambda d: d.execute_script("return arguments[0].readyState >= 1", audio))
    assert 1 < driver.execute_script("return arguments[0].duration", audio) <= 10.5
    assert complaints(driver) == []


def listed(driver):
    return [
        row.find_elements(By.TAG_NAME, "span")[-1].text
        for row in driver.find_elements(By.CSS_SELECTOR, "#picked li")
    ]


def test_bins_and_slices_list_their_tracks(pages, driver):
    path, _, predictions = read_kind(pages, "training")
    driver.get(path.as_uri())
    for point in driver.find_elements(By.CSS_SELECTOR, '[data-pick^="bin="]'):
        n_tracks = int(point.find_element(By.TAG_NAME, "title").get_attribute("textContent").split()[0])
        # By key: of bins that lie on each other, a pointer reaches the upper one.
        driver.execute_script("arguments[0].focus()", point)
        ActionChains(driver).send_keys(Keys.ENTER).perform()
        assert len(listed(driver)) == n_tracks
        assert driver.current_url.endswith("#" + point.get_attribute("data-pick"))
    driver.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    rows = driver.find_elements(By.CSS_SELECTOR, "tr:has([data-pick])")
    assert rows, "slices that are no better than the rest"
    for row in rows:
        name, n_tracks = (cell.text for cell in row.find_elements(By.TAG_NAME, "td")[:2])
        row.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
        assert len(listed(driver)) == int(n_tracks)
        assert driver.find_element(By.CSS_SELECTOR, "#picked h2").text == name
    # The address says which: elsewhere it lists the same.
    last, address = listed(driver), driver.current_url
    driver.get("about:blank")
    driver.get(address)
    assert listed(driver) == last
    assert set(last) <= set(predictions["track_id"].to_pylist())
    assert complaints(driver) == []


def test_the_ui_shows_the_runs(pages, driver, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", pages.store)
    with ui_of(pages) as root:
        wait = WebDriverWait(driver, 120, ignored_exceptions=[WebDriverException])
        wait.until(lambda d: d.get(root) is None)
        runs = address_of_runs(root=root)
        of_training = f"{runs.partition('?')[0]}/{pages.outcome['run_id']}"
        for address in (runs, of_training):
            driver.get(address)
            # The name of the run, as the settings have it.
            wait.until(lambda d: "mfcc cnn · music" in d.find_element(By.TAG_NAME, "body").text)
        assert [line for line in complaints(driver) if "scorecard" in line] == []

"""Whatever was evaluated, a page stays below 3 MB without its sound, and asks no other machine for anything."""

import dataclasses
import json
import re

import numpy as np
import pyarrow as pa
import pytest

from deepsound.audio.clips import Clip
from deepsound.evaluation.evaluate import evaluate
from deepsound.evaluation.examples import SegmentRows, choose_examples
from deepsound.evaluation.predictions import make_predictions
from deepsound.evaluation.render.html.collection import collection_page
from deepsound.evaluation.render.html.page import Headline, Listing, Page, Section, Table, render_page
from deepsound.evaluation.slices import find_slices
from tests.markup import loads_of

MOST_BYTES = 3_000_000
SOUND = b"\0" * 80_000


def make_page(n_tracks, genres, *, n_places):
    """Names of more than 200 letters of three bytes, as many segments and pictures as can be."""
    rng = np.random.default_rng(0)
    names = [f"http://音/{i:06}{'歌' * 200}" for i in range(n_tracks)]
    table = make_predictions(
        names,
        artists=[f"アーティスト{i % 500}" for i in range(n_tracks)],
        true_indices=rng.integers(0, len(genres), n_tracks),
        probabilities=rng.dirichlet(np.full(len(genres), 0.2), n_tracks),
        genres=genres,
    )
    columns = {"label": [f"{i % 60} {'ラ' * 300}" for i in range(n_tracks)], "ood_score": rng.random(n_tracks)}
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    n_known = 300
    segments = SegmentRows(
        track_ids=np.repeat(np.array(names[:n_known], object), 200),
        start_s=np.tile(np.arange(200) * 10.0, n_known),
        duration_s=np.full(200 * n_known, 10.0),
        probabilities=rng.dirichlet(np.full(len(genres), 0.2), 200 * n_known),
        penultimate=None,
    )
    examples = choose_examples(table, genres=genres, tracks={}, segments=segments)
    places = np.full((len(examples.tracks), 2), np.nan)
    places[:n_places] = rng.random(places[:n_places].shape)
    # What cannot be compressed at all.
    clip = Clip(mp3=SOUND, picture=rng.integers(0, 256, (320, 64)).astype(np.uint8), start_s=1.0, duration_s=10.0)
    examples = dataclasses.replace(
        examples,
        places=places,
        home_places=rng.random((500, 2)),
        mistakes=tuple(range(24)),
        tracks=tuple(
            dataclasses.replace(one, clip=clip if i < 24 else "gone") for i, one in enumerate(examples.tracks)
        ),
    )
    report = dataclasses.replace(evaluate(table, genres=genres), slices=find_slices(table, genres=genres))
    facts = {"input": "s3://" + "音" * 5000}
    return collection_page(report, title="音" * 300, examples=examples, facts=facts), examples


@pytest.mark.parametrize(
    ("n_tracks", "genres"),
    [(100_000, tuple("abcdefghij")), (5_000, tuple(f"{i} {'音楽' * 60}" for i in range(60)))],
    ids=["many tracks", "many genres of long names"],
)
def test_a_page_is_small_whatever_it_is_of(n_tracks, genres):
    page, examples = make_page(n_tracks, genres, n_places=3000)
    sounds = re.findall(r"data:audio/mpeg;base64,[A-Za-z0-9+/=]*", page)
    assert len(sounds) == 24
    n_bytes = len(page.encode()) - sum(map(len, sounds))
    assert n_bytes < MOST_BYTES
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert 2000 < len(data["tracks"]) == len(examples.tracks) < 4100
    assert sum(len(track) > 6 for track in data["tracks"]) == min(3000, len(data["tracks"]))
    assert all(place < len(data["tracks"]) for places in data["picks"].values() for place in places)
    assert loads_of(page) == []


def test_lists_and_tables_are_cut_and_say_so():
    blocks = Table(header=("a",), rows=(("x" * 5000,),) * 3000), Listing(lines=("y" * 5000,) * 3000)
    section = Section(title="s", blocks=blocks)
    headline = Headline(share=None, low=None, high=None, of="nothing")
    page = render_page(Page(title="t", subtitle="", headline=headline, badges=(), sections=(section,), footer=""))
    assert len(page) < 400_000
    assert page.count("and 2800 more") == 2

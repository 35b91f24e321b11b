import itertools

from hypothesis import given
from hypothesis import strategies as st

from deepsound.data.groups import LabelledTrack, genre_of_group, group_tracks, stable_rank


def make(track_id, artist=None, content=None, genre="a"):
    return LabelledTrack(track_id=track_id, genre=genre, artist=artist, content_sha256=content)


def ids(tracks, by="artist"):
    return {name: [t.track_id for t in group] for name, group in group_tracks(tracks, by=by).items()}


def test_by_artist_else_by_track():
    tracks = [make("1", "x"), make("2", "x"), make("3", "y"), make("4"), make("5")]
    assert ids(tracks) == {"artist:x": ["1", "2"], "artist:y": ["3"], "track:4": ["4"], "track:5": ["5"]}
    assert list(ids(tracks, by="track")) == [f"track:{i}" for i in range(1, 6)]


def test_copies_join_artists_and_strangers():
    tracks = [
        make("1", "y", "s"),
        make("2", "x", "t"),
        make("3", None, "s"),
        make("4", "x", "u"),
        make("5", "y", "u"),
    ]
    assert ids(tracks) == {"artist:x": ["1", "2", "3", "4", "5"]}


def test_an_artist_named_like_a_file_is_not_that_file():
    assert len(ids([make("song"), make("2", "song")])) == 2


@given(st.lists(st.tuples(st.none() | st.sampled_from("xyzw"), st.none() | st.sampled_from("stuv")), max_size=20))
def test_groups_are_the_connected_components(labels):
    """Against the definition: repeat joining whatever shares an artist or a content until nothing changes."""
    tracks = [make(str(i), *pair) for i, pair in enumerate(labels)]
    components = [{t.track_id: t} for t in tracks]
    is_changed = True
    while is_changed:
        is_changed = False
        for one, other in itertools.combinations(components, 2):
            if any(
                (a.artist and a.artist == b.artist) or (a.content_sha256 and a.content_sha256 == b.content_sha256)
                for a in one.values()
                for b in other.values()
            ):
                one |= other
                components.remove(other)
                is_changed = True
                break
    assert sorted(map(sorted, ids(tracks).values())) == sorted(sorted(c) for c in components)
    assert ids(tracks).keys() == ids(tracks[::-1]).keys()


def test_genre_of_a_group():
    assert genre_of_group([make("1", genre="b"), make("2", genre="a"), make("3", genre="b")]) == "b"
    assert genre_of_group([make("1", genre="b"), make("2", genre="a")]) == "a"


def test_rank_depends_on_name_and_seed_and_takes_any_file_name():
    assert stable_rank("x", seed=0) != stable_rank("x", seed=1) != stable_rank("y", seed=1)
    assert len(stable_rank("broken \udcff name", seed=0)) == 16

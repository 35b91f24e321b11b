"""What makes each genre: tempo, swing, drum pattern, bass line, harmony, instruments and balance.

A pattern is one bar of sixteenths: ``x`` is a stroke, ``o`` a soft one, ``.`` nothing. Chords are semitones above
the key with their quality; values are ours, after common textbook descriptions of the styles.
"""

from dataclasses import dataclass

CHORDS = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "5": (0, 7, 12),
}


@dataclass(frozen=True, kw_only=True)
class Genre:
    """One genre. ``swing`` is the delay of off-beat eighths as a share of an eighth; gains are linear."""

    tempo_bpm: tuple[float, float]
    swing: float
    kit: str
    drums: dict[str, str]
    bass: str
    bass_pattern: str
    chords: tuple[str, ...]
    chord_pattern: str
    lead: tuple[str, ...]
    lead_density: float
    progressions: tuple[tuple[tuple[int, str], ...], ...]
    gains: tuple[float, float, float, float]
    loudness_rms: tuple[float, float]


def _bars(text: str) -> tuple[tuple[int, str], ...]:
    """``0:7 5:7`` as ((0, '7'), (5, '7')): one chord a bar."""
    pairs = (item.split(":") for item in text.split())
    return tuple((int(root), quality) for root, quality in pairs)


_TWELVE_BARS = _bars("0:7 0:7 0:7 0:7 5:7 5:7 0:7 0:7 7:7 5:7 0:7 7:7")
_POP_BARS = _bars("0:maj 7:maj 9:min 5:maj")

# gains: drums, bass, chords, lead
# fmt: off
GENRES = {
    "blues": Genre(
        tempo_bpm=(65, 110), swing=0.33, kit="brushes",
        drums={"kick": "x.......x.......", "snare": "....x.......x...", "ride": "x.x.x.x.x.x.x.x."},
        bass="upright_bass", bass_pattern="x...x...x...x...",
        chords=("electric_guitar", "piano", "acoustic_guitar"), chord_pattern="x.....o.x.....o.",
        lead=("harmonica", "electric_guitar"), lead_density=0.35,
        progressions=(_TWELVE_BARS, _bars("0:7 5:7 0:7 0:7 5:7 5:7 0:7 0:7 7:7 5:7 0:7 7:7")),
        gains=(0.5, 0.7, 0.8, 0.9), loudness_rms=(0.06, 0.13),
    ),
    "classical": Genre(
        tempo_bpm=(55, 130), swing=0.0, kit="acoustic", drums={}, bass="cello", bass_pattern="x.......x.......",
        chords=("strings", "piano", "strings"), chord_pattern="x.......x.......",
        lead=("flute", "strings", "piano"), lead_density=0.5,
        progressions=(
            _bars("0:maj 5:maj 7:maj 0:maj"), _bars("0:min 5:min 7:7 0:min"), _bars("0:maj 9:min 2:min 7:7")
        ),
        gains=(0.0, 0.6, 0.8, 0.9), loudness_rms=(0.02, 0.09),
    ),
    "country": Genre(
        tempo_bpm=(85, 140), swing=0.1, kit="acoustic",
        drums={"kick": "x.......x.......", "snare": "....x.......x...", "shaker": "x.o.x.o.x.o.x.o."},
        bass="electric_bass", bass_pattern="x.......x.......", chords=("acoustic_guitar", "acoustic_guitar"),
        chord_pattern="..o.x.o...o.x.o.", lead=("fiddle", "voice", "acoustic_guitar"), lead_density=0.45,
        progressions=(_bars("0:maj 5:maj 7:maj 0:maj"), _bars("0:maj 0:maj 5:maj 7:maj")),
        gains=(0.5, 0.7, 0.9, 0.9), loudness_rms=(0.07, 0.14),
    ),
    "disco": Genre(
        tempo_bpm=(108, 130), swing=0.0, kit="disco",
        drums={"kick": "x...x...x...x...", "snare": "....x.......x...", "open_hat": "..x...x...x...x.",
               "hat": "x...x...x...x..."},
        bass="electric_bass", bass_pattern="x.x.x.x.x.x.x.x.",
        chords=("electric_piano", "electric_guitar", "strings"), chord_pattern="..x...xo..x...xo",
        lead=("strings", "voice", "brass"), lead_density=0.4,
        progressions=(_bars("0:m7 5:7 0:m7 5:7"), _bars("9:min 2:m7 7:maj 0:maj7")), gains=(1.0, 0.9, 0.6, 0.7),
        loudness_rms=(0.1, 0.18),
    ),
    "hiphop": Genre(
        tempo_bpm=(80, 105), swing=0.15, kit="machine",
        drums={"kick": "x..x..x...x.....", "clap": "....x.......x...", "hat": "x.xox.x.x.xox.xx"},
        bass="synth_bass", bass_pattern="x..x......x.....", chords=("electric_piano", "synth_pad"),
        chord_pattern="x...............", lead=("rap",), lead_density=0.9,
        progressions=(_bars("0:m7 0:m7 5:m7 0:m7"), _bars("0:min 10:maj 8:maj 7:7")), gains=(1.2, 1.2, 0.4, 0.7),
        loudness_rms=(0.12, 0.22),
    ),
    "jazz": Genre(
        tempo_bpm=(95, 210), swing=0.33, kit="brushes",
        drums={"ride": "x...x.x.x...x.x.", "hat": "....x.......x...", "kick": "o.......o......."},
        bass="upright_bass", bass_pattern="x...x...x...x...", chords=("piano", "piano", "electric_piano"),
        chord_pattern="..o....x......o.", lead=("saxophone", "brass", "piano"), lead_density=0.65,
        progressions=(_bars("2:m7 7:7 0:maj7 9:7"), _bars("0:maj7 9:m7 2:m7 7:7")), gains=(0.5, 0.9, 0.6, 0.9),
        loudness_rms=(0.04, 0.12),
    ),
    "metal": Genre(
        tempo_bpm=(110, 190), swing=0.0, kit="heavy",
        drums={"kick": "x.xxx.xxx.xxx.xx", "snare": "....x.......x...", "open_hat": "x...x...x...x..."},
        bass="electric_bass", bass_pattern="x.xxx.xxx.xxx.xx", chords=("distorted_guitar",),
        chord_pattern="x.xxx.xxx.xxx.xx", lead=("distorted_guitar", "voice"), lead_density=0.5,
        progressions=(_bars("0:5 0:5 1:5 0:5"), _bars("0:5 8:5 10:5 0:5")), gains=(1.0, 0.8, 1.3, 0.7),
        loudness_rms=(0.15, 0.25),
    ),
    "pop": Genre(
        tempo_bpm=(90, 132), swing=0.0, kit="disco",
        drums={"kick": "x.....x.x.......", "clap": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
        bass="synth_bass", bass_pattern="x..x..x.x..x..x.", chords=("synth_pad", "electric_piano", "piano"),
        chord_pattern="x.......x.......", lead=("voice", "synth_lead"), lead_density=0.6,
        progressions=(_POP_BARS, _bars("9:min 5:maj 0:maj 7:maj")), gains=(0.9, 0.8, 0.7, 1.0),
        loudness_rms=(0.12, 0.2),
    ),
    "reggae": Genre(
        tempo_bpm=(62, 92), swing=0.15, kit="dry",
        drums={"kick": "........x.......", "rim": "........x.......", "hat": "x.o.x.o.x.o.x.o."},
        bass="electric_bass", bass_pattern="x..x..x...x.x...", chords=("electric_guitar", "organ"),
        chord_pattern="....x.......x...", lead=("voice", "organ"), lead_density=0.35,
        progressions=(_bars("0:min 5:min 0:min 7:min"), _bars("0:maj 5:maj 0:maj 7:maj")),
        gains=(0.7, 1.4, 0.7, 0.6), loudness_rms=(0.08, 0.17),
    ),
    "rock": Genre(
        tempo_bpm=(95, 150), swing=0.0, kit="heavy",
        drums={"kick": "x.......x.x.....", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
        bass="electric_bass", bass_pattern="x.x.x.x.x.x.x.x.", chords=("electric_guitar", "distorted_guitar"),
        chord_pattern="x.x.x.x.x.x.x.x.", lead=("voice", "electric_guitar"), lead_density=0.45,
        progressions=(_bars("0:maj 10:maj 5:maj 0:maj"), _bars("0:5 5:5 7:5 5:5")), gains=(0.9, 0.8, 0.9, 0.9),
        loudness_rms=(0.1, 0.2),
    ),
}
# fmt: on

# What the foreign collection plays instead.
FOREIGN_KITS = ("boxes", "toy", "dry", "acoustic")
FOREIGN_BASSES = ("tuba", "fretless_bass", "synth_bass", "cello")
FOREIGN_CHORDS = ("harpsichord", "accordion", "marimba", "organ", "piano")
FOREIGN_LEADS = ("chip", "bell", "kazoo", "flute", "voice")

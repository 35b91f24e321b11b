import pathlib


def read(path):
    labels = {}
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith("#EXTGENRE:"):
            labels["genre"] = line.removeprefix("#EXTGENRE:")
        elif line.startswith("#EXTART:"):
            labels["artist"] = line.removeprefix("#EXTART:")
        elif line and not line.startswith("#"):
            yield {"path": line, **labels}
            labels = {}

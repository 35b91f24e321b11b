import pathlib

RADIO = pathlib.Path(__file__).with_name("radio.yaml")

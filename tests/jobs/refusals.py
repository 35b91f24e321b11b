"""What a user's mistake looks like: one line, with the error's code and the words that help."""


def expect_refusal(capsys, code, *words):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("deepsound: error")]
    assert len(lines) == 1
    assert f"[{code}]" in lines[0]
    for word in words:
        assert word in lines[0]

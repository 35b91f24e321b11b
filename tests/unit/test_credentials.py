"""What is told of an address, and what is not: passwords, tokens and keys never."""

import pytest

from deepsound.credentials import hide_credentials, without_credentials


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("http://user:pw@host:5000/x", "http://host:5000/x"),
        ("https://token@host", "https://host"),
        ("the store http://u:p%40w@host is away", "the store http://host is away"),
        ("http://user:p@ss@host", "http://host"),
        ("postgresql+psycopg2://user:p/w?#@db:5432/mlflow", "postgresql+psycopg2://db:5432/mlflow"),
        ("postgresql://user@db/mlflow", "postgresql://db/mlflow"),
        ("('https://a:b@one', 'https://c:d@two')", "('https://one', 'https://two')"),
        ("s3a://AKIA:secret@bucket/music", "s3a://bucket/music"),
        ("s3://b/x?X-Amz-Signature=abc&X-Amz-Date=1", "s3://b/x?X-Amz-Signature=***&X-Amz-Date=1"),
        ("https://h/f?versionId=3&token=t,t&secret_key=k", "https://h/f?versionId=3&token=***&secret_key=***"),
        ("https://h/f?sv=1&sig=a%2Fb#part", "https://h/f?sv=1&sig=***#part"),
        ("postgresql://db/m?sslmode=require&password=pw'", "postgresql://db/m?sslmode=require&password=***'"),
        ("s3://access_key:s@b?endpoint_override=x", "s3://b?endpoint_override=x"),
    ],
)
def test_what_is_secret_is_taken_out(told, expected):
    assert hide_credentials(told) == expected
    assert hide_credentials(expected) == expected


@pytest.mark.parametrize(
    "told",
    [
        "sqlite:///mlflow.db",
        "sqlite:////home/me@work/mlflow.db",
        "models:/deepsound-mfcc@champion",
        "http://host:5000/models/x@champion and me@home",
        "abfss://container@account.dfs.core.windows.net/music",
        "wasbs://container@account.blob.core.windows.net/music",
        "file:///data/a@b:c@d",
        "hdfs://host:8020/m?page=2&rate=3",
        "which key=value? token=no address",
        "epoch 5/60: loss 0.3 at http://h/ by a:b@c",
    ],
)
def test_what_is_not_stays(told):
    assert hide_credentials(told) == told


def test_documents_keep_their_shape():
    document = {"a": ["s3://k:s@b", 1, None, ("http://u@h",)], "b": {"c": "x"}, "d": 0.5}
    clean = {"a": ["s3://b", 1, None, ["http://h"]], "b": {"c": "x"}, "d": 0.5}
    assert without_credentials(document) == clean

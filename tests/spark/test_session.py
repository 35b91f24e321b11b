"""A session that is already there belongs to somebody else."""

from concurrent.futures import ThreadPoolExecutor

from deepsound.spark.session import open_session


def test_a_session_of_another_thread_is_used_and_left_running(spark):
    def count():
        with open_session("another job") as session:
            return session.sparkContext.applicationId, session.range(3).count()

    with ThreadPoolExecutor(max_workers=1) as pool:
        assert pool.submit(count).result() == (spark.sparkContext.applicationId, 3)
    assert spark.range(3).count() == 3

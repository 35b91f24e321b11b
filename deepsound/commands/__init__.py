"""The commands, one module each: ``build_parser()`` and ``main(argv) -> exit code``.

``spark-submit jobs/extract.py`` and ``deepsound extract`` run the same ``main``.
"""

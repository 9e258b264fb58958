# docker build -t erkd .                                                    the light package: erkd matte
# docker build -t erkd --build-arg INSTALL=torch,pipeline .                 and what the pipeline needs
# docker build -t erkd --build-arg BASE=nvidia/cuda:13.0.2-base-ubuntu24.04 --build-arg INSTALL=torch,pipeline .
# docker run --rm -v $PWD:/work erkd matte photo.jpg --trimap trimap.png -o alpha.png --model models/onnx
# docker run --rm -v $PWD:/work --entrypoint dvc --gpus all erkd repro
ARG BASE=python:3.12-slim
FROM ${BASE}
# extras of the package, separated by commas; none: the light install
ARG INSTALL=
RUN apt-get update \
    && apt-get install -y --no-install-recommends git make $(command -v python3 > /dev/null || echo python3-venv) \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/erkd
ENV PATH=/opt/erkd/bin:$PATH
COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY erkd /source/erkd
RUN cd /source && pip install --no-cache-dir -c constraints.txt ".${INSTALL:+[$INSTALL]}" && python -m erkd.telemetry
WORKDIR /work
ENTRYPOINT ["erkd"]

# One image for every service, the worker and the object store of a development cluster; the argument says which:
#   docker run --read-only --tmpfs /tmp IMAGE services.policy --host 0.0.0.0 --storage /tmp/store
# Targets: `cpu` and `gpu`. PIP_OPTIONS reach every pip call: --index-url, --extra-index-url, --find-links. PyPI's torch
# for x86-64 is the CUDA build; name an index or a folder that has the CPU build for a `cpu` image of a quarter of the size.

ARG BASE=debian:bookworm-slim

FROM ${BASE} AS python
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3.11 \
    && rm -rf /var/lib/apt/lists/*

FROM python AS build
RUN apt-get update && apt-get install --yes --no-install-recommends python3.11-venv
WORKDIR /src
ARG PIP_OPTIONS=""
ENV PATH=/opt/rlhf/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_PROGRESS_BAR=off
COPY constraints.txt .
RUN python3.11 -m venv /opt/rlhf && pip install ${PIP_OPTIONS} -c constraints.txt torch
COPY pyproject.toml .
COPY clients/python/pyproject.toml clients/python/
# The dependencies alone, so that a change of the code does not install them again. What setuptools built of the empty
# packages goes: it would be taken for newer than the code.
RUN mkdir -p clients/python/src/rlhf services \
    && touch clients/python/src/rlhf/__init__.py services/__init__.py \
    && pip install ${PIP_OPTIONS} -c constraints.txt ./clients/python '.[image]' \
    && rm -rf build clients/python/build
COPY clients clients
COPY services services
RUN pip install ${PIP_OPTIONS} -c constraints.txt --no-deps --force-reinstall ./clients/python . \
    && pip uninstall --yes setuptools pip \
    && python -c "from rlhf import Client; from services.runtime.process import run" \
    && find /opt/rlhf -type d -name tests -prune -exec rm -rf {} +

FROM python AS runtime
RUN groupadd --gid 10001 rlhf && useradd --uid 10001 --gid 10001 --home-dir /tmp --shell /usr/sbin/nologin rlhf
COPY --from=build /opt/rlhf /opt/rlhf
# /tmp is all that a process may need to write outside the folders that its settings name.
ENV PATH=/opt/rlhf/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HF_HUB_DISABLE_TELEMETRY=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["python", "-m"]
CMD ["services.policy"]

FROM runtime AS gpu
RUN ["python", "-c", "import torch; assert torch.version.cuda, 'this torch has no CUDA: build the target cpu'"]
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM runtime AS cpu

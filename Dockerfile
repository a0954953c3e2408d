# The Meltano project of this repository with all plugins; settings come from the environment.
#   docker build --tag braze-mixpanel .
#   docker run --env-file .env --volume data:/data braze-mixpanel tap-braze-currents target-mixpanel
ARG PYTHON=3.13.9-slim-bookworm

FROM python:${PYTHON} AS build
# Leave out what you do not need: each extra brings the libraries of one store.
ARG EXTRAS=s3,gcs,azure,postgres,inbox,report
ARG MELTANO_EXTRAS=postgres,s3
WORKDIR /src
RUN python -m venv /opt/venv
COPY . .
RUN /opt/venv/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" "meltano[${MELTANO_EXTRAS}]"

FROM python:${PYTHON}
# A number instead of a name, so that Kubernetes can check runAsNonRoot.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin pipeline \
    && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/venv /opt/venv
COPY examples/meltano_run.py /usr/local/bin/meltano_run.py
WORKDIR /project
COPY meltano.yml .
# meltano.yml names the plugins' commands below .venv.
RUN ln -s /opt/venv .venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    MELTANO_ENVIRONMENT=prod \
    MELTANO_SYS_DIR_ROOT=/data/meltano \
    TARGET_MIXPANEL_DEAD_LETTER_PATH=/data/dead_letter \
    TARGET_MIXPANEL_DRY_RUN_PATH=/data/dry_run \
    TARGET_BRAZE_COHORTS_DEAD_LETTER_PATH=/data/dead_letter \
    TARGET_BRAZE_COHORTS_MEMBERSHIP_DB=sqlite:////data/braze_cohorts.db
USER 10001
# Everything that a run writes is below /data; the rest may be read-only.
VOLUME /data
# Ends with the plugin's own exit code: 75 asks for a retry, 78 for a person.
ENTRYPOINT ["python", "/usr/local/bin/meltano_run.py"]
CMD ["tap-braze-currents", "target-mixpanel"]

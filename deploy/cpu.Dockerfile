# Inspection on an x86 or Arm PC without a GPU.  From the checkout's folder:
#
#   docker build -f deploy/cpu.Dockerfile -t res2clip .
#   docker run --rm res2clip doctor
#   docker run --rm --read-only --tmpfs /tmp -v "$PWD":/data res2clip \
#       --source parts/ --bundle bundle --recipe washer.recipe.safetensors --out results
#
# A camera needs --device /dev/video0.  As a service (docs/line.md), with line.toml in this folder:
#
#   docker run -d --restart always --stop-timeout 15 --read-only --tmpfs /tmp -v "$PWD":/data \
#       res2clip --config line.toml --log-format json
FROM python:3.12-slim-bookworm AS wheels
ARG EXTRAS=cpu,video,camera,mqtt,plc,metrics
COPY . /src
RUN python /src/deploy/wheelhouse.py --extras "$EXTRAS" --out /wheelhouse

FROM python:3.12-slim-bookworm
RUN --mount=type=bind,from=wheels,source=/wheelhouse,target=/wheelhouse \
    pip install --no-cache-dir --no-index --find-links /wheelhouse \
        --require-hashes -r /wheelhouse/requirements.txt \
    && useradd --uid 10001 --create-home --groups video inspector
USER 10001
WORKDIR /data
ENTRYPOINT ["res2clip-run"]
CMD ["doctor"]

# Inspection on an x86 PC with an NVIDIA GPU: ONNX Runtime with CUDA.  The host needs a driver for
# CUDA 13 and the NVIDIA container toolkit.  From the checkout's folder:
#
#   docker build -f deploy/gpu.Dockerfile -t res2clip-gpu .
#   docker run --rm --gpus all res2clip-gpu doctor
#   docker run --rm --gpus all -v "$PWD":/data res2clip-gpu --backend onnxruntime-cuda \
#       --source parts/ --bundle bundle --recipe washer.recipe.safetensors --out results
#
# onnxruntime-gpu wants CUDA 13 and cuDNN 9, which this image brings (docs/deploy-pc.md).
FROM nvidia/cuda:13.2.1-cudnn-runtime-ubuntu24.04 AS python
# hadolint ignore=DL3008  # a distribution's Python gets security fixes only; a pin would miss them
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/res2clip
ENV PATH=/opt/res2clip/bin:$PATH

FROM python AS wheels
ARG EXTRAS=gpu,video,camera,mqtt,plc,metrics
COPY . /src
RUN python /src/deploy/wheelhouse.py --extras "$EXTRAS" --out /wheelhouse

FROM python
RUN --mount=type=bind,from=wheels,source=/wheelhouse,target=/wheelhouse \
    pip install --no-cache-dir --no-index --find-links /wheelhouse \
        --require-hashes -r /wheelhouse/requirements.txt \
    && useradd --uid 10001 --create-home --groups video inspector
USER 10001
WORKDIR /data
ENTRYPOINT ["res2clip-run"]
CMD ["doctor"]

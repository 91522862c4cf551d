# Inspection on a Jetson Orin with JetPack 6.1 or 6.2 (L4T 36.4), with TensorRT 10.3.  Build it on
# the Jetson, from the checkout's folder:
#
#   docker build -f deploy/jetson.Dockerfile -t res2clip-jetson .
#   docker run --rm --runtime nvidia res2clip-jetson doctor
#   docker run --rm --runtime nvidia -v "$PWD":/data -v res2clip-cache:/home/inspector/.cache \
#       res2clip-jetson --backend tensorrt \
#       --source parts/ --bundle bundle --recipe washer.recipe.safetensors --out results
#
# The image brings CUDA 12.6, cuDNN 9.3, TensorRT 10.3 and Python 3.10; pycuda is built against it.
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0 AS python
# hadolint ignore=DL3008  # a distribution's Python gets security fixes only; a pin would miss them
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-pip python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    # TensorRT's Python module lies beside the system's Python.
    && python3 -m venv --system-site-packages /opt/res2clip
ENV PATH=/opt/res2clip/bin:/usr/local/cuda/bin:$PATH CUDA_ROOT=/usr/local/cuda

FROM python AS wheels
ARG EXTRAS=cpu,trt,video,camera,mqtt,plc,metrics
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential python3-dev \
    && rm -rf /var/lib/apt/lists/*
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

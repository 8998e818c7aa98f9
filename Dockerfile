# The lab on a CPU. Run your own file:
#
#   docker build -t dialogue-lab .
#   docker run --rm -v "$PWD:/work" dialogue-lab
#
# runs YOUR_RUN_FILE.py of the current folder; without a folder the example in docker/ runs, offline: no model is
# downloaded when the image is built. Another command: docker run --rm dialogue-lab lab doctor
FROM python:3.11.14-slim-bookworm

ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_WAIT_POLICY=PASSIVE

RUN useradd --create-home --uid 1000 lab && mkdir /app /work && chown lab:lab /work

# From what changes least to what changes most: an edit of the sources installs nothing but the sources again.
WORKDIR /app
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m pip install --no-cache-dir --index-url "$TORCH_INDEX" torch==2.13.0
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY lab_lib/__init__.py lab_lib/__init__.py
RUN python -m pip install --no-cache-dir --constraint constraints.txt ".[train,dataflow]"
COPY lab_lib lab_lib
RUN python -m pip install --no-cache-dir --no-deps --force-reinstall .

USER 1000
WORKDIR /work
COPY --chown=lab docker/YOUR_RUN_FILE.py .
CMD ["python", "YOUR_RUN_FILE.py"]

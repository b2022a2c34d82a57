# The app on a CPU: docker build -t styleadapt . && docker run -p 7860:7860 styleadapt
FROM python:3.11-slim

# Spaces run as this user, and it may write to its home alone.
RUN useradd --create-home --uid 1000 user
USER user
ENV HOME=/home/user \
    PATH=/home/user/.local/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    GRADIO_ANALYTICS_ENABLED=False \
    HF_HUB_DISABLE_TELEMETRY=1 \
    OMP_NUM_THREADS=2 \
    MALLOC_ARENA_MAX=2
WORKDIR /home/user/app

# Dependencies first, so that a change of the code does not fetch them again; torch from the index that has no CUDA in it.
COPY --chown=user requirements.txt ./
RUN pip install --user "torch>=2.6,<2.14" --index-url https://download.pytorch.org/whl/cpu \
    && pip install --user -r requirements.txt

COPY --chown=user app.py LICENSE ./
COPY --chown=user styleadapt ./styleadapt

EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=5)"]
CMD ["python", "app.py"]

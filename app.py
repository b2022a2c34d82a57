"""The Hugging Face Space: `python app.py` serves the interface, at GRADIO_SERVER_NAME and GRADIO_SERVER_PORT if set."""

from styleadapt.ui import build_app, launch_options

demo = build_app()

if __name__ == "__main__":
    demo.launch(**launch_options())

"""The browser interface: Gradio blocks around a pipeline. Nothing else in the package imports gradio."""

from styleadapt.ui.blocks import build_app, launch_options

__all__ = ["build_app", "launch_options"]

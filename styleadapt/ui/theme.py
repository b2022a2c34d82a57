"""Defines the look of the interface: system fonts, one accent color, light and dark, nothing from another server."""

import gradio as gr

SYSTEM_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
SYSTEM_MONO_FONTS = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace"]

THEME = gr.themes.Default(
    primary_hue=gr.themes.colors.teal,
    secondary_hue=gr.themes.colors.teal,
    neutral_hue=gr.themes.colors.stone,
    font=SYSTEM_FONTS,
    font_mono=SYSTEM_MONO_FONTS,
).set(
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_background_fill_hover_dark="*primary_600",
    button_primary_text_color="white",
    slider_color="*primary_700",
    slider_color_dark="*primary_500",
    checkbox_border_color="*neutral_500",
    checkbox_border_color_dark="*neutral_400",
    checkbox_background_color_selected="*primary_700",
    checkbox_background_color_selected_dark="*primary_600",
    color_accent="*primary_700",
    body_text_color_subdued="*neutral_500",
    block_info_text_color="*neutral_500",
)

CSS = """
.dark { --color-accent: var(--primary-500); }
.gradio-container { width: 100%; max-width: 1240px !important; margin: 0 auto; }
#stylize-result .icon, #regions-result .icon { color: white; }
.dark #stylize-result .icon, .dark #regions-result .icon { color: black; }
#intro h1 { margin: 0; }
#intro p { margin: 0.25rem 0 0; }
footer .divider { display: none !important; }

/* No width of its own, or the row of thumbnails would stretch the page on a phone. */
.example-strip { width: 0; min-width: 100% !important; border-width: 0 !important; background: none; padding: 0; }
.example-strip .grid-wrap { max-height: none; min-height: 0; overflow-x: auto; padding: 2px; }
.example-strip .grid-container { display: flex; gap: 6px; height: auto; }
.example-strip .gallery-item, .example-strip .thumbnail-lg { width: 64px; height: 64px; flex: none; aspect-ratio: 1; }
.example-strip .caption-label { display: none; }

/* On a phone all eight tabs are in sight, none in a menu. */
@media (max-width: 480px) {
  .tab-wrapper { margin-left: -24px; margin-right: -24px; }
  .tab-container button { padding-left: 2px !important; padding-right: 2px !important; font-size: 12px !important; }
}

.run-status p { margin: 0 0 8px; font-variant-numeric: tabular-nums; }
.run-status progress { display: block; width: 100%; height: 8px; border: none; border-radius: 4px; }
.run-status progress { appearance: none; overflow: hidden; }
.run-status progress, .run-status progress::-webkit-progress-bar { background: var(--border-color-primary); }
.run-status progress::-webkit-progress-value { background: var(--color-accent); }
.run-status progress::-moz-progress-bar { background: var(--color-accent); }
"""

#!/usr/bin/env python
"""Makes the screenshot of the app in the docs: serves it, clicks an example photo and style, and waits for the picture.

It needs `playwright` (`pip install -e ".[dev]"`) and a `chromium` on the PATH.

python tools/make_screenshot.py --output docs/space.jpg
"""

import argparse
import io
import os
import shutil
import sys

from PIL import Image


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="docs/space.jpg", help="JPEG file to write")
    parser.add_argument("--photo", type=int, default=1, help="number of the example photo, counted from 0")
    parser.add_argument("--style", type=int, default=2, help="number of the example style, counted from 0")
    parser.add_argument("--width", type=int, default=1280, help="of the window in pixels")
    parser.add_argument("--height", type=int, default=1000, help="of the window in pixels")
    parser.add_argument("--max_seconds", type=float, default=120.0, help="how long it waits for the page, and for each picture")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("error: there is no chromium on the PATH")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # which gradio reads when it is imported
    from styleadapt.ui import build_app, launch_options

    app = build_app()
    _, address, _ = app.launch(**launch_options(), server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    try:
        picture = _shot(address, chromium, args)
    finally:
        app.close()
    picture.save(args.output, quality=85, optimize=True)
    return 0


def _shot(address: str, chromium: str, args: argparse.Namespace) -> Image.Image:
    """The page after both examples were clicked and their pictures have come."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * args.max_seconds)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": args.width, "height": args.height})
        page.goto(address)
        result = page.locator("#stylize-result img").last
        # the style first: its style code is then known when the picture is made whose seconds the page shows
        for strip, number in (("#example-styles", args.style), ("#example-photos", args.photo)):
            before = result.get_attribute("src") if result.count() else None
            page.locator(f"{strip} button").nth(number).click(timeout=1000 * args.max_seconds)
            expect(page.locator("#stylize-note")).to_contain_text("px in", timeout=1000 * args.max_seconds)
            if before is not None:
                expect(result).not_to_have_attribute("src", before)
        page.mouse.move(args.width / 2, 2)
        page.wait_for_timeout(1000)  # fading hints of the buttons
        data = page.screenshot()
        browser.close()
    return Image.open(io.BytesIO(data)).convert("RGB")


if __name__ == "__main__":
    sys.exit(main())

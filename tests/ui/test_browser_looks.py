"""How every tab looks and can be used: at a desk and on a phone, light and dark, with a keyboard, with a screen reader.

With STYLEADAPT_SCREENSHOTS=FOLDER it leaves pictures of every tab there, to be looked at.
"""

import os
from pathlib import Path

import pytest

from .browsing import TABS, expect, needs_chromium, open_tab, wait_for_canvas

pytestmark = needs_chromium

SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
ROLES = {"button", "checkbox", "combobox", "link", "radio", "searchbox", "slider", "spinbutton", "tab", "textbox"}

# WCAG 2.2, 1.4.3: 4.5 to 1, and 3 to 1 for large letters. What is disabled may be pale.
PALE_TEXTS = """() => {
    const channels = (color) => {
        const numbers = color.match(/[\\d.]+/g).map(Number);
        const scale = color.startsWith('color(srgb') ? 255 : 1;
        return [...numbers.slice(0, 3).map((n) => n * scale), numbers[3] ?? 1];
    };
    const over = (top, bottom) => top.slice(0, 3).map((c, n) => c * top[3] + bottom[n] * (1 - top[3]));
    const background = (element) => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) {
            const color = channels(getComputedStyle(at).backgroundColor);
            layers.push(color);
            if (color[3] === 1) break;
        }
        return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const luminance = (color) => {
        const [r, g, b] = color.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const pale = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim();
        const element = walker.currentNode.parentElement;
        const box = element.getBoundingClientRect();
        if (!text || !element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true}) || box.width < 2) continue;
        if (element.closest(':disabled, [aria-disabled=true], script, style')) continue;
        const style = getComputedStyle(element);
        const below = background(element);
        const [light, dark] = [luminance(over(channels(style.color), below)), luminance(below)].sort((a, b) => b - a);
        const ratio = (light + 0.05) / (dark + 0.05);
        const size = parseFloat(style.fontSize);
        const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
        if (ratio < needed) pale.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return pale;
}"""


# by default each size and each scheme once
@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        ("phone", "light"),
        ("desk", "dark"),
        pytest.param("phone", "dark", marks=pytest.mark.slow),
        pytest.param("desk", "light", marks=pytest.mark.slow),
    ],
)
def test_every_tab_fits_and_can_be_read(visit, address, size, scheme):
    page = visit(f"?__theme={scheme}", viewport=SIZES[size], color_scheme=scheme)
    expect(page.locator("#stylize-result img").first).to_be_visible()
    for tab in TABS:
        open_tab(page, tab)
        if tab == "Regions":
            wait_for_canvas(page)
        page.evaluate("document.activeElement.blur()")
        if folder := os.environ.get("STYLEADAPT_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{folder}/{TABS[tab]}-{size}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{tab} needs sideways scrolling"
        assert page.evaluate(PALE_TEXTS) == [], tab
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith((address, "data:", "blob:"))] == []


def interactive(page):
    """What a screen reader finds to operate: role, name, and whether the keyboard reaches it; and its HTML, to find it."""
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("Accessibility.enable")
    for node in session.send("Accessibility.getFullAXTree")["nodes"]:
        if node["ignored"] or node["role"]["value"] not in ROLES:
            continue
        states = {state["name"]: state["value"].get("value") for state in node.get("properties", [])}
        if not states.get("disabled"):
            html = session.send("DOM.getOuterHTML", {"backendNodeId": node["backendDOMNodeId"]})["outerHTML"][:200]
            yield node["role"]["value"], node["name"]["value"].strip(), bool(states.get("focusable")), html
    session.detach()


def test_every_element_has_a_name_and_is_in_reach_of_the_keyboard(visit):
    page = visit(viewport=SIZES["desk"])
    for tab in TABS:
        open_tab(page, tab)
        found = list(interactive(page))
        assert len(found) > 10
        assert [html for _, name, _, html in found if not name] == [], tab
        assert [html for _, _, focusable, html in found if not focusable] == [], tab


def test_pictures_and_thumbnails_are_told_apart_by_their_names(visit):
    page = visit(viewport=SIZES["desk"])
    expect(page.get_by_role("group", name="Photo", exact=True).get_by_role("button", name="Upload file")).to_be_attached()
    expect(page.locator("#example-photos").get_by_role("button", name="cat", exact=True)).to_be_visible()


def test_a_photo_is_stylized_with_the_keyboard_alone(visit):
    page = visit(viewport=SIZES["desk"])
    page.locator("#example-photos button").nth(1).focus()
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "stylize-run":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#stylize-note")).to_contain_text("px in")
    expect(page.locator("#stylize-run")).to_be_focused()
    before = page.locator("#stylize-photo img").get_attribute("src")
    page.locator("#example-photos button").nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#stylize-photo img")).not_to_have_attribute("src", before)

"""Adds labels for screen readers to elements that Gradio leaves without one."""

LABELS = """() => {
    const name = () => {
        for (const label of document.querySelectorAll('.block > [data-testid="block-label"]')) {
            label.parentElement.setAttribute('role', 'group');
            label.parentElement.setAttribute('aria-label', label.textContent.trim());
        }
        for (const caption of document.querySelectorAll('.gallery-item .caption-label')) {
            caption.closest('.gallery-item').querySelector('button')?.setAttribute('aria-label', caption.textContent.trim());
        }
    };
    let waiting = false;
    new MutationObserver(() => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => { waiting = false; name(); });
    }).observe(document.body, {childList: true, subtree: true});
    name();
}"""
"""Runs in the browser when the page has loaded: an image with its buttons becomes a group with the image's label, so that one
hears of which picture "Upload file" is, and a thumbnail gets its caption in the place of its number."""

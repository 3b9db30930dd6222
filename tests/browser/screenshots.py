"""Makes the pictures of the playground in docs/images anew: `python -m tests.browser.screenshots`.

It starts the demo's Triton and a server, and needs Chromium and a font with Chinese letters.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from demo.environment import DEMO, ensure_environment
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.browser.chromium import launched
from tests.browser.scenes import SCENES, Scene
from tests.browser.site import DEMO_MODELS, site_configuration
from tests.live.servers import PROJECT, running, write_configuration

IMAGES = PROJECT / "docs" / "images"
WIDTH = 1280
PATIENCE_MS = 60_000
# Letters that a font has look different from each other.
HAS_CHINESE = """() => {
    const drawn = (letter) => {
        const canvas = document.createElement("canvas");
        const context = canvas.getContext("2d");
        context.font = "40px sans-serif";
        context.fillText(letter, 0, 40);
        return canvas.toDataURL();
    };
    return drawn("你") !== drawn("好");
}"""


def main() -> int:
    """Write every picture; returns the exit status."""
    ensure_environment(print)
    expect.set_options(timeout=PATIENCE_MS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with TritonServer([DEMO / "repository"], *free_ports(3)) as triton:
            path = write_configuration(
                folder / "models.json", site_configuration(triton, DEMO_MODELS)
            )
            with running("gunicorn", path, folder / "log") as server, launched() as browser:
                return take_all(browser, server.url, IMAGES)


def take_all(browser: Browser, site: str, folder: Path) -> int:
    """Write the pictures of a site's pages into `folder`."""
    if not browser.new_page().evaluate(HAS_CHINESE):
        print("There is no font with Chinese letters; on Debian: fonts-noto-cjk", file=sys.stderr)
        return 2
    folder.mkdir(exist_ok=True)
    for name, scene in SCENES.items():
        path = folder / f"{name}.png"
        take(open_scene(browser, site, scene), scene, path)
        print(f"{path.relative_to(PROJECT)}: {path.stat().st_size // 1000} KB")
    return 0


def open_scene(browser: Browser, site: str, scene: Scene) -> Page:
    """A page that is as the scene wants it, before anything was opened."""
    options = {
        "locale": "en-US",
        "color_scheme": "light",
        "viewport": {"width": WIDTH, "height": scene.height},
        **scene.options,
    }
    context = browser.new_context(base_url=f"{site}/", reduced_motion="reduce", **options)
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


def take(page: Page, scene: Scene, path: Path) -> None:
    """Write the picture, and close the page."""
    scene.prepare(page)
    # No field has the cursor, and no button is below the mouse.
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=path)
    page.context.close()


if __name__ == "__main__":
    sys.exit(main())

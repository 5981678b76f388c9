"""What `make screenshots` runs: docs/images, taken of the report of a run over code found here.

The sources are links of neutral names in a temporary folder, so that no image shows where anything
lies on this machine. Needs Chromium, and what the tests need.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
PACKAGES = ("pyarrow", "sqlalchemy", "pygments", "pydantic", "fsspec", "rich")
STDLIB = (
    "asyncio",
    "ctypes",
    "email",
    "encodings",
    "idlelib",
    "json",
    "lib2to3",
    "test",
    "unittest",
)
LEFT_OUT = ("__pycache__/", "*.so*", "include/")
MOST_BYTES = 300_000
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Take the images and say how large they are."""
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)))
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = make_report(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        take(browser, page, "report-funnel.png", "light", height=1260)
        take(browser, page, "report-scores.png", "light", element="#scores")
        take(browser, page, "report-pair.png", "dark", element="#duplicates")
        browser.close()
    sizes = {path.name: path.stat().st_size for path in sorted(IMAGES.glob("*.png"))}
    print(*(f"{name}: {size:,} bytes" for name, size in sizes.items()), sep="\n")
    return int(max(sizes.values()) > MOST_BYTES)


def make_report(folder: Path) -> Path:
    """Run over links to code that is here, and return the report of it."""
    libraries, packages = Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("platlib"))
    fixture = ROOT / "examples" / "demo" / "fixture"
    targets = [*sorted(fixture.iterdir(), key=lambda path: not path.is_dir()), ROOT / "services"]
    targets += [packages / name for name in PACKAGES] + [libraries / name for name in STDLIB]
    sources = []
    for target in targets:
        if target.exists():
            (folder / target.name).symlink_to(target)
            sources.append(target.name)
    left_out = [part for pattern in LEFT_OUT for part in ("--exclude", pattern)]
    command = [sys.executable, "-m", "gristmill.cli.main"]
    run = [*command, "run", *sources, "--out", "demo", "--no-archives", *left_out]
    subprocess.run(run, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    cut = [*command, "quality", "calibrate", "demo", "--drop", "0.2", "--by", "language"]
    subprocess.run(cut, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*command, "report", "demo", "-o", "report.html"], cwd=folder, check=True)
    return folder / "report.html"


def take(
    browser: Browser, path: Path, name: str, scheme: str, *, height: int = 900, element: str = ""
) -> None:
    """Take one image: of the top of the page, or of an element of it."""
    page = browser.new_page(
        viewport={"width": 1280, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.goto(path.as_uri())
    page.locator(".chart[data-drawn]").first.wait_for()
    where = page.locator(element) if element else page
    where.screenshot(path=IMAGES / name)
    page.close()


if __name__ == "__main__":
    sys.exit(main())

"""Photograph built pages in headless Chromium: wide and narrow, light and dark.

    python tools/screenshots.py OUTPUT_FOLDER [PAGE ...]

PAGE is a name such as `intro`; without one, all pages of the book are taken. Needs Chromium or
Chrome on the machine, so this is a developer's tool and no part of the tests.
"""

import argparse
import asyncio
import base64
import io
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

BUILT = Path(__file__).resolve().parents[1] / "_build" / "html" / "book"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
]
WIDTHS = {"wide": 1400, "narrow": 390}
MODES = ("light", "dark")
PIECE = 3000  # px; Chromium repeats the top of a page in one picture of much more than 8000 px
READY = """
(async () => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  for (let i = 0; i < 150; i++) {
    const seen = (div) => {
      const box = div.getBoundingClientRect();
      return box.bottom > 0 && box.top < innerHeight;
    };
    const figures = [...document.querySelectorAll("div.plotly-book")].filter(seen);
    const drawn = figures.every((div) => div.querySelector(".main-svg, canvas"));
    const math = document.querySelector("article .math");
    if (drawn && (!math || document.querySelector("mjx-container"))) break;
    await pause(100);
  }
  await pause(1500);
  return document.documentElement.scrollHeight;
})()
"""


class Browser:
    """One Chromium tab, spoken to over its debugging socket."""

    def __init__(self, socket):
        self.socket = socket
        self.numbers = itertools.count(1)
        self.errors: list[str] = []

    async def call(self, method: str, **parameters):
        """Run one command of the debugging protocol and return its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        await self.socket.write_message(json.dumps(message))
        while True:
            answer = json.loads(await self.socket.read_message())
            if answer.get("method") == "Runtime.exceptionThrown":
                details = answer["params"]["exceptionDetails"]
                thrown = details.get("exception", {})
                self.errors.append(thrown.get("description") or details["text"])
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    async def run(self, script: str):
        """Run JavaScript in the page and return its value."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        return answer["result"].get("value")

    async def resize(self, width: int, height: int):
        """Make the viewport exactly this many px, as on a screen of that size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    async def photograph(self, page: Path, width: int, mode: str) -> Image.Image:
        """Open a page and return a picture of all of it, taken piece by piece."""
        await self.resize(width, PIECE)
        script = f"localStorage.mode = '{mode}'; localStorage.theme = '{mode}';"
        added = await self.call("Page.addScriptToEvaluateOnNewDocument", source=script)
        await self.call("Page.navigate", url=page.as_uri())
        await self.run("new Promise((done) => window.addEventListener('load', done))")
        await self.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])
        height = await self.run(READY)
        picture, top = Image.new("RGB", (width, height)), 0
        while top < height:
            # figures are drawn when they come into view
            await self.run(f"window.scrollTo({{top: {top}, behavior: 'instant'}})")
            await self.run(READY)
            shot = await self.call("Page.captureScreenshot", format="png")
            piece = Image.open(io.BytesIO(base64.b64decode(shot["data"])))
            picture.paste(piece, (0, int(await self.run("window.scrollY"))))
            top += PIECE
        return picture


async def open_tab(profile: Path) -> Browser:
    """Wait for the browser to name its port and connect to its first tab."""
    port_file = profile / "DevToolsActivePort"
    for _ in range(200):
        if port_file.exists() and port_file.read_text().count("\n"):
            break
        await asyncio.sleep(0.1)
    port = port_file.read_text().splitlines()[0]
    answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json/list")
    tabs = [tab for tab in json.loads(answer.body) if tab["type"] == "page"]
    address = tabs[0]["webSocketDebuggerUrl"]
    browser = Browser(await websocket_connect(address, max_message_size=2**28))
    await browser.call("Page.enable")
    await browser.call("Runtime.enable")
    return browser


async def take_all(profile: Path, pages: list[Path], folder: Path) -> int:
    """Take every page in every width and mode; return the number of pages with script errors."""
    browser = await open_tab(profile)
    faulty = 0
    for page in pages:
        browser.errors.clear()
        for (name, width), mode in itertools.product(WIDTHS.items(), MODES):
            target = folder / f"{page.stem}-{name}-{mode}.png"
            (await browser.photograph(page, width, mode)).save(target)
            # A phone's page must not scroll sideways.
            overflow = await browser.run("document.documentElement.scrollWidth - innerWidth")
            note = f"  {overflow} px too wide" if overflow > 0 else ""
            print(f"{target}{note}", flush=True)
        for error in sorted(set(browser.errors)):
            print(f"  script error: {error.splitlines()[0]}")
        faulty += bool(browser.errors)
    return faulty


def main() -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("pages", nargs="*", help="names such as intro; all by default")
    arguments = parser.parse_args()
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None:
        parser.error(f"none of {', '.join(BROWSERS)} is installed")
    names = arguments.pages or sorted(p.stem for p in BUILT.glob("*.html"))
    if lacking := [name for name in names if not (BUILT / f"{name}.html").exists()]:
        parser.error(f"{BUILT} has no page {', '.join(lacking)}; run make book first")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            pages = [BUILT / f"{name}.html" for name in names]
            return int(asyncio.run(take_all(Path(profile), pages, arguments.folder)) > 0)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())

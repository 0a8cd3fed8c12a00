"""On demand, `make try-axe`: axe-core finds no serious fault in panels and pages (needs npm's axe-core: VIZLIB_AXE)."""

import os
from pathlib import Path

import make_site
import pytest
from lesson_cells import slice_of
from playwright.sync_api import Browser

AXE = Path(os.environ.get("VIZLIB_AXE", "node_modules/axe-core/axe.min.js"))
RUN = """async selector => {
    const found = await axe.run(document.querySelectorAll(selector));
    if (found.passes.length < 10) return [`only ${found.passes.length} rules had something to look at`];
    return found.violations.filter(v => ['serious', 'critical'].includes(v.impact)).map(
        v => `${v.impact} ${v.id}: ${v.help}: ` + v.nodes.slice(0, 3).map(n => n.html.slice(0, 300)).join(' | '));
}"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("04_activations", "panels.activation_map("),
        ("06_occlusion", "panels.occlusion_map("),
        ("09_gradient_ascent", "panels.gradient_ascent("),
        ("14_style_transfer", "panels.style_transfer("),
    ],
)
def test_no_serious_fault(open_notebook, name, words):
    cells = slice_of(name, words)
    notebook = open_notebook(name, cells)
    for index in range(len(cells)):
        notebook.run_cell(index)
    notebook.page.locator(".vizlib-panel img").first.wait_for()
    for button in notebook.page.locator(".vizlib-more").all():
        button.click()
    notebook.page.wait_for_timeout(1000)
    notebook.page.evaluate(f"() => {{ const module = undefined, define = undefined; {AXE.read_text()} }}")
    assert notebook.page.evaluate(RUN, ".vizlib-panel") == []
    notebook.execute("import vizlib.widgets; vizlib.widgets.stop_all()")


@pytest.fixture(scope="module")
def site() -> Path:
    """The reading site, up to date."""
    make_site.build()
    return make_site.SITE


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["index", "notebooks/03_pca_and_tsne", "notebooks/07_saliency", "api/models", "docs/teaching"]
)
def test_no_serious_fault_on_the_site(chromium: Browser, site: Path, name: str, scheme: str):
    page = chromium.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.goto((site / f"{name}.html").as_uri())
    page.evaluate("() => window.MathJax?.startup?.promise")
    page.evaluate(AXE.read_text())
    assert page.evaluate(RUN, "html") == []
    page.close()

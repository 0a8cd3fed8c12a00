// What is wider than the page scrolls by itself; then the arrow keys should reach it, too.
function reachable() {
    for (const wide of document.querySelectorAll("article mjx-container, article table")) {
        if (wide.scrollWidth > wide.clientWidth) wide.tabIndex = 0;
        else wide.removeAttribute("tabindex");
    }
}

window.addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    reachable();
    window.addEventListener("resize", reachable);
});

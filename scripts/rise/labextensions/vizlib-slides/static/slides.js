// An extension of JupyterLab, written by hand as module federation wants it: `init` shares modules, `get` gives plugins.
// It acts in the page of jupyterlab-rise alone, where a notebook is shown as slides: widgets, keys, and code on demand.
(() => {
  const CONSOLE = "@jupyterlab/console";
  const EDITOR = ".cm-editor";
  const CONTROL = `input, select, textarea, button, [role=slider], .noUi-handle, ${EDITOR}`;
  const TALK = { " ": 1, PageDown: 1, ArrowRight: 1, PageUp: -1, ArrowLeft: -1 };
  const BELOW = { ArrowDown: 1, ArrowUp: -1 };
  let shared;

  // The manager of ipywidgets asks for JupyterLab's console, which jupyterlab-rise 0.43 does not share; without it no
  // widget is shown (jupyterlab-contrib/rise, issue 119). All that it needs is a token that nobody provides.
  function lendConsole(scope) {
    shared = scope;
    if (scope[CONSOLE]) return;
    const get = async () => {
      const { Token } = await take("@lumino/coreutils");
      return () => ({ IConsoleTracker: new Token(`${CONSOLE}:IConsoleTracker`) });
    };
    scope[CONSOLE] = { "4.4.6": { get, from: "vizlib-slides", loaded: true } };
  }

  async function take(name) {
    return (await Object.values(shared[name])[0].get())();
  }

  function step(across, down) {
    const here = document.querySelector("section.stack.present");
    if (!here) return;
    const inside = [...here.children].filter((part) => part.tagName == "SECTION");
    const stacks = [...document.querySelectorAll("section.stack")];
    const h = stacks.indexOf(here) + across;
    const v = inside.findIndex((part) => part.classList.contains("present")) + down;
    const next = across ? stacks[h]?.querySelector("section") : inside[v];
    if (next) location.hash = `#/${next.id}`;
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const control = event.target.closest?.(CONTROL);
    if (control && !control.matches(EDITOR)) control.setAttribute("data-lm-suppress-shortcuts", "true");
    if (control && !event.key.startsWith("Page")) return; // an arrow moves a slider, and neither slides nor cells
    const across = event.key == " " && event.shiftKey ? -1 : TALK[event.key];
    if (across) step(across, 0);
    else if (BELOW[event.key]) step(0, BELOW[event.key]);
    else if (event.key == "c") toggleCode();
    else return;
    event.stopPropagation();
    event.preventDefault();
  }

  function toggleCode() {
    const shown = document.body.classList.toggle("vizlib-code");
    document.getElementById("vizlib-code-button").setAttribute("aria-pressed", shown);
  }

  async function runSlide(panel) {
    const { NotebookActions } = await take("@jupyterlab/notebook");
    const section = document.querySelector("section.stack.present > section.present");
    const cells = panel.content.widgets.filter((cell) => section.contains(cell.node) && cell.model.type == "code");
    await NotebookActions.runCells(panel.content, cells, panel.context.sessionContext);
  }

  async function runAll(panel) {
    const { NotebookActions } = await take("@jupyterlab/notebook");
    await NotebookActions.runCells(panel.content, panel.content.widgets, panel.context.sessionContext);
  }

  function button(text, title, act) {
    const made = document.createElement("button");
    Object.assign(made, { textContent: text, title, type: "button" });
    made.addEventListener("click", async () => {
      made.disabled = made.ariaBusy = true;
      try { await act(); } finally { made.disabled = made.ariaBusy = false; made.blur(); }
    });
    return made;
  }

  function begin(panel) {
    window.addEventListener("keydown", pressed, true);
    document.body.addEventListener("keydown", (event) => {
      if (event.target.closest(CONTROL)) event.stopPropagation(); // reveal.js listens to the document
    });
    const bar = document.createElement("div");
    bar.id = "vizlib-bar";
    const code = button("Code", "show or hide all code (c)", toggleCode);
    code.id = "vizlib-code-button";
    code.setAttribute("aria-pressed", false);
    bar.append(
      button("Run all", "run all cells, so that every panel has its controls", () => runAll(panel)),
      button("Run slide", "run the cells of this slide", () => runSlide(panel)), code);
    panel.node.append(bar);
    document.body.classList.add("vizlib-slides");
  }

  const plugin = {
    id: "vizlib-slides:plugin",
    autoStart: true,
    activate: (app) => {
      if (app.name != "Rise") return;
      const style = document.createElement("link");
      Object.assign(style, { rel: "stylesheet", href: new URL("slides.css", here).href });
      document.head.append(style);
      const wait = setInterval(() => {
        const panel = app.shell.currentWidget;
        if (!panel || !document.querySelector(".reveal section.stack.present")) return;
        clearInterval(wait);
        begin(panel);
      }, 100);
    },
  };

  const here = document.currentScript.src;
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["vizlib-slides"] = {
    init: lendConsole,
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();

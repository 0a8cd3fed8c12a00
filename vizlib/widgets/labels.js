// Gives every control of a panel a name, its value in words and one tab stop. ipywidgets draws sliders whose handles have
// no name and announce the index of a choice, and rows of buttons in which every button is a tab stop.
function set(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function mendSlider(slider) {
    const name = slider.querySelector(".widget-label")?.textContent.trim() || "slider";
    const readout = slider.querySelector(".widget-readout");
    const text = readout?.textContent.trim() ?? "";
    const handles = slider.querySelectorAll(".noUi-handle, .ui-slider-handle");
    const values = handles.length > 1 ? text.split(/\s*[–—]\s*|\s+-\s+/) : [text];
    handles.forEach((handle, i) => {
        set(handle, "role", "slider");
        set(handle, "aria-label", handles.length > 1 ? `${name}, ${i ? "upper" : "lower"} end` : name);
        set(handle, "aria-valuetext", values[i] ?? text);
        if (!handle.hasAttribute("aria-valuenow")) set(handle, "aria-valuenow", String(parseFloat(text) || 0));
    });
    if (readout) {
        set(readout, "tabindex", "-1");
        set(readout, "aria-label", `${name}, value`);
        if (readout.isContentEditable) set(readout, "role", "textbox");
    }
}

function mendButtons(row) {
    const buttons = [...row.querySelectorAll("button")];
    const group = buttons[0]?.parentElement;
    if (!group) return;
    set(group, "role", "radiogroup");
    set(group, "aria-label", row.querySelector(".widget-label")?.textContent.trim() || "choice");
    const chosen = buttons.find(button => button.classList.contains("mod-active")) ?? buttons[0];
    for (const button of buttons) {
        set(button, "role", "radio");
        set(button, "aria-checked", String(button === chosen));
        set(button, "tabindex", button === chosen ? "0" : "-1");
    }
    if (row.dataset.arrows) return;
    row.dataset.arrows = "yes";
    row.addEventListener("keydown", event => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        const all = [...row.querySelectorAll("button")], now = all.indexOf(document.activeElement);
        if (!step || now < 0) return;
        const next = all[(now + step + all.length) % all.length];
        next.focus();
        next.click();
        event.preventDefault();
        event.stopPropagation();
    });
}

function mend(panel) {
    panel.querySelectorAll(".widget-slider").forEach(mendSlider);
    panel.querySelectorAll(".widget-toggle-buttons").forEach(mendButtons);
    panel.querySelectorAll(".widget-toggle-button:not([role])").forEach(button =>
        set(button, "aria-expanded", String(button.classList.contains("mod-active"))));
}

export default {
    render({ el }) {
        let observer = null, waiting = null, asked = false;
        const attach = () => {
            const panel = el.closest(".vizlib-panel");
            if (!panel) {
                waiting = setTimeout(attach, 100);
                return;
            }
            const soon = () => {
                if (asked) return;
                asked = true;
                requestAnimationFrame(() => { asked = false; mend(panel); });
            };
            observer = new MutationObserver(soon);
            const attributeFilter = ["aria-valuenow", "class"];
            observer.observe(panel, { subtree: true, childList: true, characterData: true, attributeFilter });
            mend(panel);
        };
        attach();
        return () => { clearTimeout(waiting); observer?.disconnect(); };
    },
};

// A picture in which a person points at a place: by a click, or with the arrow keys.
export default {
  render({ model, el }) {
    const frame = document.createElement("div");
    Object.assign(frame.style, { position: "relative", width: "100%", maxWidth: "300px", cursor: "crosshair" });
    frame.tabIndex = 0;
    frame.setAttribute("role", "application");
    const picture = document.createElement("img");
    Object.assign(picture.style, { width: "100%", display: "block" });
    picture.draggable = false;
    const mark = document.createElement("div");
    Object.assign(mark.style, {
      position: "absolute", width: "18px", height: "18px", margin: "-11px 0 0 -11px", borderRadius: "50%",
      border: "2px solid cyan", boxShadow: "0 0 0 2px black", pointerEvents: "none",
    });
    frame.append(picture, mark);
    el.append(frame);
    const draw = () => {
      const [row, column] = model.get("value");
      picture.src = model.get("source");
      picture.alt = model.get("alt");
      frame.setAttribute("aria-label", `${model.get("alt")}: ${Math.round(100 * row)}% down, ` +
        `${Math.round(100 * column)}% across; the arrow keys move the point`);
      Object.assign(mark.style, { top: `${100 * row}%`, left: `${100 * column}%` });
    };
    const point = (row, column) => {
      const inside = (share) => Math.min(0.999, Math.max(0, share));
      model.set("value", [inside(row), inside(column)]);
      model.save_changes();
    };
    frame.addEventListener("click", (event) => {
      const box = picture.getBoundingClientRect();
      point((event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width);
    });
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    frame.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();
      const [row, column] = model.get("value");
      point(row + move[0] / 32, column + move[1] / 32);
    });
    for (const name of ["value", "source", "alt"]) model.on(`change:${name}`, draw);
    draw();
  },
};

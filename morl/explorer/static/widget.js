/* The page in a frame without any right but to run its own scripts; it says which point is shown. */
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  Object.assign(frame, { srcdoc: model.get("page"), title: "Explore the front" });
  Object.assign(frame.style, { width: "100%", height: `${model.get("height")}px`, border: "0" });
  const hear = (event) => {
    if (event.source !== frame.contentWindow || event.data?.morl !== "point") return;
    model.set("point", String(event.data.id).slice(0, 100));
    model.save_changes();
  };
  addEventListener("message", hear);
  el.append(frame);
  return () => removeEventListener("message", hear);
}
export default { render };

// Elements in one call. What a file says goes into text and attributes only, never into markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes))
        if (name.startsWith("on"))
            node.addEventListener(name.slice(2), value);
        else if (value !== null && value !== undefined && value !== false)
            node.setAttribute(name, value === true ? "" : value);
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
}

/** el("p", { class: "note" }, "text", another) */
export const el = (name, attributes = {}, ...children) =>
    fill(document.createElement(name), attributes, children);

export const svg = (name, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, name), attributes, children);

/** Put a choice's options in, and keep what was chosen. */
export function options(select, names, chosen) {
    select.replaceChildren(...names.map((name, n) =>
        el("option", { value: n, selected: n === chosen }, name)));
}

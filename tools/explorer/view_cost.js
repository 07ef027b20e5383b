// What a TLB miss costs, in memory references, for each pair of page sizes.

import { el } from "./dom.js";
import { G_MODES, VS_MODES, costs, modeName, span } from "./paging.js";
import { count, size } from "./numbers.js";

const SAME = [["sv39", "sv39x4"], ["sv48", "sv48x4"], ["sv57", "sv57x4"]];
const MOST = 35;

function cell(n, here, act) {
    return el("td", { class: here ? "here" : "", style: `--share:${n / MOST}` },
        el("button", { onclick: act, title: `a walk of ${n} references` }, here ? `▶ ${n}` : `${n}`));
}

function matrix(vs, g, walk, follow) {
    const table = costs(vs, g);
    const ours = walk && walk.about.vs_mode === vs && walk.about.g_mode === g;
    const name = `${modeName(vs)} over ${modeName(g)}`;
    return el("section", { class: `cost${ours ? " ours" : ""}`, "data-modes": `${vs}/${g}` },
        el("h3", {}, name),
        el("table", {},
            el("thead", {}, el("tr", {}, el("td", {}, "VS ↓  G →"),
                table[0].map((_, level) => el("th", { scope: "col" }, size(span(level)))))),
            el("tbody", {}, table.map((row, vsLeaf) => el("tr", {},
                el("th", { scope: "row" }, vs === "bare" ? "Bare" : size(span(vsLeaf))),
                row.map((n, gLeaf) => cell(n, ours && walk.vsLeaf === vsLeaf &&
                    walk.gLeaf === gLeaf, () => follow({ vs, vsLeaf, g, gLeaf }))))))));
}

/** What the current walk took, and why that may differ from its cell. */
function current(walk) {
    if (!walk)
        return "";
    const { steps, vsLeaf, gLeaf, about } = walk;
    const took = `The walk of ${about.gva} took ${count(steps.length, "reference")}`;
    if (vsLeaf === null || gLeaf === null)
        return `${took}, and ended before the page.`;
    const cell = costs(about.vs_mode, about.g_mode)[vsLeaf][gLeaf];
    return cell === steps.length ? `${took}, marked ▶.`
        : `${took}; its page's cell, marked ▶, says ${cell}: the guest's tables lie in pages of ` +
            "the G-stage that are of other sizes.";
}

const choice = (name, modes, chosen, act) => el("label", {}, name, " ",
    el("select", { onchange: (event) => act(event.target.value) },
        Object.keys(modes).map((mode) => el("option", { value: mode, selected: mode === chosen },
            modeName(mode)))));

/** follow({ vs, vsLeaf, g, gLeaf }): a walk of these sizes is to be seen. */
export function drawCost(walk, pair, choose, follow) {
    const isSame = SAME.some(([vs, g]) => vs === pair[0] && g === pair[1]);
    return el("div", { class: "costs" },
        el("p", {}, "How many entries a walk reads that finds nothing in any cache. Each entry of " +
            "the VS-stage lies at a guest physical address, so the G-stage is walked for each of " +
            "them, and once more for the page: with n levels in the VS-stage and m in the G-stage " +
            "n × (m + 1) + m. A larger page ends a walk earlier. A number opens such a walk."),
        el("p", { class: "sentence" }, current(walk)),
        el("div", { class: "bar" },
            choice("VS-stage", VS_MODES, pair[0], (vs) => choose([vs, pair[1]])),
            choice("G-stage", G_MODES, pair[1], (g) => choose([pair[0], g]))),
        el("div", { class: "matrices" },
            isSame ? null : matrix(...pair, walk, follow),
            SAME.map(([vs, g]) => matrix(vs, g, walk, follow))));
}

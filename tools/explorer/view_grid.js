// The walk as a picture: a row for each entry of the VS-stage and one for the page; across, the
// G-stage's references that find it. The path goes as the hardware does.

import { el, svg } from "./dom.js";
import { count } from "./numbers.js";

const CELL = { w: 62, h: 46, gap: 12, left: 74, top: 30 };

const x = (column) => CELL.left + column * (CELL.w + CELL.gap);
const y = (row) => CELL.top + row * (CELL.h + CELL.gap);

/** The picture's columns and rows for a walk. */
function geometry(walk) {
    const column = (step) => step.stage === "VS" ? walk.gLevels : walk.gLevels - 1 - step.level;
    const row = (step) => step.row === "page" ? walk.vsLevels : walk.vsLevels - 1 - step.row;
    return { column, row, columns: walk.gLevels + 1, rows: walk.vsLevels + 1 };
}

function headings(walk, { columns, rows }) {
    const heads = [];
    for (let c = 0; c < columns; c++)
        heads.push(svg("text", { x: x(c) + CELL.w / 2, y: 18, class: c < columns - 1
            ? "head g" : "head vs" }, c < columns - 1 ? `G ${walk.gLevels - 1 - c}` : "VS entry"));
    for (let r = 0; r < rows; r++)
        heads.push(svg("text", { x: 4, y: y(r) + CELL.h / 2 + 5, class: "row-head" },
            r < rows - 1 ? `VS ${walk.vsLevels - 1 - r}` : "page"));
    return heads;
}

/** Places that this walk doesn't need: its pages are larger, or it ended before. */
function unused({ columns, rows, column, row }, walk) {
    const used = new Set(walk.steps.map((s) => `${column(s)},${row(s)}`));
    const cells = [];
    for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns - (r === rows - 1 ? 1 : 0); c++)
            if (!used.has(`${c},${r}`))
                cells.push(svg("rect", { class: "unused", x: x(c), y: y(r), width: CELL.w,
                    height: CELL.h, rx: 6 }));
    return cells;
}

function cell(step, { column, row }, at, choose) {
    const state = step.n === at ? "now" : step.n < at ? "past" : "ahead";
    const left = x(column(step)), top = y(row(step));
    const leaf = step.entry.kind === "leaf";
    return svg("g", { class: `cell ${step.stage.toLowerCase()} ${state}` +
        (step.fault ? " failed" : ""), "data-step": step.n, onclick: () => choose(step.n) },
        svg("title", {}, step.sentence),
        svg("rect", { x: left, y: top, width: CELL.w, height: CELL.h, rx: leaf ? 16 : 4 }),
        svg("text", { class: "number", x: left + CELL.w / 2, y: top + 20 },
            `${step.fault ? "✗ " : ""}${step.n}`),
        svg("text", { class: "index", x: left + CELL.w / 2, y: top + 37 }, `[${step.index}]`));
}

/** Where the path goes: to the right along a row, then back to the next row's beginning. */
function path(walk, { column, row }, at) {
    const points = walk.steps.slice(0, at).map((s) =>
        [x(column(s)) + CELL.w / 2, y(row(s)) + CELL.h / 2]);
    let d = "";
    for (const [n, [px, py]] of points.entries()) {
        const [, before] = points[n - 1] ?? [px, py];
        const between = py - CELL.h / 2 - CELL.gap / 2;
        d += n === 0 ? `M${px} ${py}` : before === py ? `H${px}`
            : `V${between}H${px}V${py}`;
    }
    const arrives = at > 0 && at === walk.steps.length && walk.about.works;
    return arrives ? `${d}H${x(walk.gLevels) + CELL.w / 2}` : d;
}

/** After the last step: the page, or why there is none. */
function result(walk, at, g) {
    const done = at === walk.steps.length;
    const left = x(g.columns - 1), top = y(g.rows - 1);
    const works = walk.about.works;
    return svg("g", { class: `cell result ${done ? "now" : "ahead"}${works ? "" : " failed"}` },
        svg("title", {}, walk.end),
        svg("rect", { x: left, y: top, width: CELL.w, height: CELL.h, rx: 16 }),
        svg("text", { class: "number", x: left + CELL.w / 2, y: top + 20 }, works ? "✓" : "✗"),
        svg("text", { class: "index", x: left + CELL.w / 2, y: top + 37 },
            works ? "page" : "fault"));
}

export function drawGrid(walk, at, choose) {
    const g = geometry(walk);
    const width = x(g.columns), height = y(g.rows);
    const line = svg("path", { class: "path", d: path(walk, g, at), pathLength: 1 });
    const before = svg("path", { class: "path behind", d: path(walk, g, at) });
    return el("figure", { class: "grid" },
        svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", style:
            `max-width:${width * 1.35}px`, "aria-label": `${walk.modes}: step ${at} of ` +
            `${count(walk.steps.length, "reference")}` },
            ...unused(g, walk), before, line, ...headings(walk, g),
            ...walk.steps.map((step) => cell(step, g, at, choose)), result(walk, at, g)),
        el("figcaption", {}, "Each row finds one entry of the VS-stage, the last one the page; " +
            "the G-stage's references, level by level (G 2, G 1, ...), lead to it. Round: a " +
            "leaf. Empty: not needed here, or not reached. ✗: it ends here. In brackets: the " +
            "index in the table."));
}

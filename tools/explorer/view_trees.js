// The two radix trees side by side: a line for each table and each page, with a strip that shows
// which of a table's entries are known. The current walk's lines are marked.

import { el, svg } from "./dom.js";
import { hex, size } from "./numbers.js";
import { tableEntries } from "./paging.js";
import { related, treeLines } from "./tree.js";

const LINE = 24, INDENT = 16, NARROW = 9, STRIP = 96, LINES_MAX = 300;

/** Whether a line is on the current walk, up to step `at`, or is where it stands. */
function mark(line, stage, walk, at) {
    const same = (s) => s.stage === stage && (line.step
        ? s.table === line.step.table && s.level === line.step.level && s.index === line.step.index
        : line.table && s.table === line.table.at && s.level === line.table.level);
    if (line.step && same(walk.steps[at - 1] ?? { stage: "" }))
        return "now";
    return walk.steps.slice(0, at).some(same) ? "past" : "";
}

/** fails: whether the current walk ends here; another one's fault is none of its. */
function label(line, fails) {
    if (!line.step)
        return `root ${hex(line.table.at)}`;
    const { index, entry } = line.step;
    const at = `[${index}] `;
    if (entry.kind === "table")
        return `${at}→ ${hex(entry.to)}${line.again ? " (above)" : ""}`;
    if (entry.kind === "leaf")
        return `${at}${fails ? "✗" : "●"} ${hex(entry.to)} ${size(entry.bytes)} ${entry.rights}`;
    return `${at}✗ ${entry.kind}`;
}

/** Which of a table's entries are known: a mark each, along a line of 512 or 2048. */
function strip(table, mode, x, y) {
    const wide = STRIP / tableEntries(mode, table.level);
    return svg("g", { class: "strip" },
        svg("rect", { x, y: y - 12, width: STRIP, height: 12 }),
        ...[...table.entries].map(([index, step]) => svg("rect", {
            class: `known ${step.entry.kind}`, x: x + index * wide - 0.75, y: y - 12,
            width: Math.max(1.5, wide), height: 12 })));
}

const isNarrow = (width) => width < 400;

function drawLine(line, n, { stage, mode, width, walk, at, choose }) {
    const indent = isNarrow(width) ? NARROW : INDENT;
    const y = n * LINE + 17, x = line.depth * indent + 10;
    const step = line.step && walk.steps.find((s) => s.stage === stage &&
        s.table === line.step.table && s.level === line.step.level &&
        s.index === line.step.index);
    const state = mark(line, stage, walk, at);
    const kind = line.table ? "table" : line.step.entry.kind;
    const showsStrip = line.table && !line.again && width - STRIP - 6 > x + 190;
    return svg("g", { class: `line ${kind} ${state}`, onclick: step && (() => choose(step.n)) },
        svg("rect", { class: "back", x: 0, y: n * LINE, width, height: LINE }),
        line.depth ? svg("path", { class: "elbow",
            d: `M${x - indent + 2} ${y - 16}V${y - 4}H${x - 3}` }) : null,
        svg("text", { x, y }, label(line, step?.fault)),
        showsStrip ? strip(line.table, mode, width - STRIP - 6, y) : null);
}

function drawTree(stage, walks, { walk, at, choose, width }) {
    const mode = stage === "G" ? walk.about.g_mode : walk.about.vs_mode;
    const all = treeLines(related(walks, walk, stage), stage);
    const lines = all.slice(0, LINES_MAX);
    const title = stage === "G" ? "G-stage: gpa to hpa" : "VS-stage: gva to gpa";
    const said = stage === "G" ? "tables by hpa" : "tables by gpa";
    const empty = mode === "bare" ? "Bare: no table, a gva is a gpa."
        : "No reference of this stage was made.";
    const look = { stage, mode, width, walk, at, choose };
    return el("section", { class: `tree ${stage.toLowerCase()}${isNarrow(width)
        ? " narrow" : ""}` },
        el("h3", {}, title, el("small", {}, ` ${said}`)),
        lines.length ? svg("svg", { viewBox: `0 0 ${width} ${lines.length * LINE}`, role: "img",
            "aria-label": `${title}, ${lines.length} lines` },
            ...lines.map((line, n) => drawLine(line, n, look)))
            : el("p", { class: "note" }, empty),
        all.length > lines.length ? el("p", { class: "note" },
            `${all.length - lines.length} more lines aren't shown.`) : null);
}

/** width: pixels that there are for each tree. */
export function drawTrees(walks, walk, at, choose, width) {
    const look = { walk, at, choose, width: Math.max(280, width) };
    return [...["VS", "G"].map((stage) => drawTree(stage, walks, look)),
        el("p", { class: "note" }, "[index] → a table, ● a page, ✗ a fault. Bold: what this " +
            "walk has read so far; the rest is from the other walks of this file. Strip: which " +
            "of the table's entries are known.")];
}

// One step in words and numbers, and all of them as a list.

import { el } from "./dom.js";
import { hex, size } from "./numbers.js";
import { causeText } from "./paging.js";

const pair = (name, value) => [el("dt", {}, name), el("dd", {}, value)];

/** The entry's bits, as letters and as words: what is set is upper, and isn't by colour alone. */
function bits(entry) {
    return el("ul", { class: "bits", "aria-label": "bits of the entry" },
        entry.flags.map(({ letter, name, set }) => el("li", { class: set ? "set" : "clear" },
            el("b", {}, set ? letter.toUpperCase() : "–"), el("span", {}, name))));
}

/** Addresses in the three spaces; the G-stage's own tables are in host memory alone. */
function addresses({ stage, gva, gpa, hpa }) {
    const vs = stage === "VS";
    return [
        ...pair("gva", `${hex(gva)}, what the whole walk translates`),
        ...pair("gpa", gpa === null ? "none" : `${hex(gpa)}, ` +
            (vs ? "where the guest has this entry" : "what this stage translates here")),
        ...pair("hpa", `${hex(hpa)}, where this entry is`),
    ];
}

export function drawStep(walk, at) {
    if (at === 0)
        return el("div", { class: "step" },
            el("p", { class: "sentence" }, walk.steps.length
                ? "Press → or Step to follow the first reference."
                : `No reference was made. ${walk.end}`),
            el("p", { class: "note" }, `${walk.modes}, ${walk.about.access ?? "load"} from ` +
                `${walk.about.mode ?? "kernel"} mode, satp ${walk.about.satp ?? "unknown"}`));
    const step = walk.steps[at - 1];
    const { entry } = step;
    return el("div", { class: `step ${step.stage.toLowerCase()}${step.fault ? " failed" : ""}` },
        el("h3", {}, `${step.fault ? "✗ " : ""}Step ${at} of ${walk.steps.length}: ` +
            `${step.stage}-stage, level ${step.level}`),
        el("p", { class: "sentence" }, step.sentence),
        el("dl", {},
            ...pair("table", `${step.stage === "VS" ? "gpa" : "hpa"} ${hex(step.table)}`),
            ...pair("index", `${step.index}`),
            ...addresses(step),
            ...pair("entry", `${hex(step.raw)}${entry.extras.length
                ? ` (${entry.extras.join(", ")})` : ""}`),
            ...(entry.kind === "table" || entry.kind === "leaf" ? pair("leads to",
                `${step.stage === "VS" ? "gpa" : "hpa"} ${hex(entry.to)}, ` +
                (entry.kind === "leaf" ? `a page of ${size(entry.bytes)}` : "a table")) : []),
            ...(step.may ? pair("so far", `${step.may}: what both stages allow`) : [])),
        bits(entry));
}

const YES = { true: "yes", false: "no" };

/** What the monitor said of the walk as a whole. */
export function drawAbout(walk) {
    const a = walk.about;
    const shadow = a.shadow && [a.shadow.entry && `${a.shadow.entry}, level ${a.shadow.level}, ` +
        `${a.shadow.bits ?? ""}`, a.shadow.why].filter(Boolean).join(", ");
    return el("div", { class: `about ${a.works ? "works" : "failed"}` },
        el("p", { class: "sentence" }, `${a.works ? "✓" : "✗"} ${walk.end}`),
        el("dl", {},
            ...pair("modes", walk.modes),
            ...pair("access", `${a.access ?? "load"}, ${a.mode ?? "kernel"} mode, ` +
                `SUM ${YES[!!a.sum]}, MXR ${YES[!!a.mxr]}`),
            ...(a.satp ? pair("satp", a.satp) : []),
            ...(a.works || a.cause === null || a.cause === undefined ? []
                : pair("cause", causeText(a.cause))),
            ...(a.sets_accessed ? pair("sets", "A, or D, in the VS-stage leaf") : []),
            ...(shadow ? pair("shadow", shadow) : []),
            ...(a.hardware ? pair("hardware", a.hardware) : [])));
}

export function drawList(walk, at, choose) {
    return el("table", { class: "steps" },
        el("thead", {}, el("tr", {}, ["", "stage", "level", "index", "entry at", "leads to"]
            .map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, walk.steps.map((s) => el("tr", { class: s.stage.toLowerCase(),
            "aria-current": s.n === at ? "step" : null, onclick: () => choose(s.n) },
            el("th", { scope: "row" }, el("button", { onclick: () => choose(s.n) }, `${s.n}`)),
            el("td", {}, s.stage), el("td", {}, `${s.level}`), el("td", {}, `${s.index}`),
            el("td", {}, hex(s.stage === "VS" ? s.gpa : s.hpa)),
            el("td", {}, s.fault || s.to === null ? `✗ ${s.entry.kind}` : hex(s.to))))));
}

// A table being built, entry by entry: each of its tables as 512 places, at any moment of a trace.

import { el, options, svg } from "./dom.js";
import { duration } from "./lanes.js";
import { address, count, hex, size } from "./numbers.js";
import { span } from "./paging.js";
import { Replay, stagesOf } from "./shadow.js";

const TABLES_MAX = 48, SIDE = 32, PLACE = 7;
const CHART = { w: 640, h: 90 };

/** Writable pages are filled, others are hollow; what leads to a table stands on its tip. */
function mark(event, x, y) {
    const half = PLACE / 2;
    if (event.why === "table")
        return svg("path", { class: "link",
            d: `M${x + half} ${y}l${half} ${half}l${-half} ${half}l${-half} ${-half}z` });
    const writable = ((address(event.entry) ?? 0n) & 4n) !== 0n;
    return svg("rect", { class: writable ? "rw" : "ro", x: x + 0.5, y: y + 0.5,
        width: PLACE - 1, height: PLACE - 1 });
}

function place({ index, event, n }, table, now) {
    const x = index % SIDE * PLACE, y = Math.floor(index / SIDE) * PLACE;
    const at = table.at + BigInt(index) * span(table.level);
    return svg("g", { class: n === now ? "newest" : "" },
        svg("title", {}, `[${index}] ${hex(at)}: ${event.entry ?? "no entry"}, by change ${n}`),
        mark(event, x, y),
        n === now ? svg("circle", { cx: x + PLACE / 2, cy: y + PLACE / 2, r: PLACE }) : null);
}

function drawTable(table, now) {
    return el("figure", { class: "mirror" },
        el("figcaption", {}, hex(table.at),
            el("small", {}, `level ${table.level}, ${size(span(table.level))} each`),
            table.base === null ? null : el("small", {}, `made of ${hex(table.base)}`)),
        svg("svg", { viewBox: `0 0 ${SIDE * PLACE} ${512 / SIDE * PLACE}`, role: "img",
            "aria-label": `entries: ${table.entries.size}` },
            svg("rect", { class: "frame", width: SIDE * PLACE, height: 512 / SIDE * PLACE }),
            ...[...table.entries.values()].sort((a, b) => a.n - b.n)
                .map((e) => place(e, table, now))));
}

/** How many entries there were, over the changes; a line marks now. */
function chart(history, n) {
    const most = history.reduce((a, b) => Math.max(a, b), 1);
    const x = (i) => history.length ? i / history.length * CHART.w : 0;
    const y = (entries) => CHART.h - 4 - entries / most * (CHART.h - 12);
    const every = Math.max(1, Math.floor(history.length / CHART.w));
    let d = `M0 ${y(0)}`;
    for (let i = 0; i < history.length; i += every)
        d += `H${x(i + 1).toFixed(1)}V${y(history[i]).toFixed(1)}`;
    return svg("svg", { class: "chart", viewBox: `0 0 ${CHART.w} ${CHART.h}`,
        preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("path", { class: "count", d }),
        svg("line", { class: "now", x1: x(n), x2: x(n), y1: 0, y2: CHART.h }));
}

const WORDS = {
    fill: () => "an entry is put in",
    sync: (why) => why === "same" ? "the guest's entry has other A or D bits only: it stays"
        : "the guest's entry has changed: ours is taken back",
    unshadow: (why) => why === "stored" ? "the guest's page may be written again"
        : "the guest's page is no table any more: its mirror goes",
    evict: () => "a table makes room",
};
const FACTS = ["at", "gpa", "hpa", "level", "entry", "table", "value", "why"];

function said(event, view) {
    if (!event)
        return `Before the first of ${count(view.total, "change")}.`;
    const { header, events } = view.trace;
    const facts = FACTS.filter((name) => event[name] !== undefined && event[name] !== null)
        .map((name) => `${name} ${event[name]}`);
    return `${view.n} of ${view.total}, after ` +
        `${duration(event.time - events[0].time, header.timebase)}: ${event.event}: ` +
        `${WORDS[event.event](event.why)} (${facts.join(", ")}).`;
}

const TITLES = {
    shadow: "The shadow tables, by guest virtual address, as they are filled and taken back. Each " +
        "frame is a table of 512 places, made of one of the guest's tables; where none is named " +
        "it stands above the guest's root, or for a part of a large page. What was there before " +
        "the trace began isn't known.",
    G: "The G-stage's tables, by guest physical address, as they are filled. Each frame is a table " +
        "of 512 places. What was there before the trace began isn't known.",
};

const NOTHING = "No entry was made while this was traced: the guest touched nothing new. Let it work " +
    "meanwhile, or reset it (vm reset), to see its tables from the first entry on.";

/** The view keeps its replay between drawings: going on is cheaper than beginning again. */
export class ShadowView {
    constructor(trace) {
        this.trace = trace;
        this.stages = stagesOf(trace);
        this.choose(0);
    }

    choose(which) {
        this.stage = this.stages[which] ?? "shadow";
        this.which = which;
        this.replay = new Replay(this.trace, this.stage);
        this.history = this.replay.history();
        this.total = this.replay.changes.length;
        this.n = 0;
    }

    move(n) {
        this.n = Math.max(0, Math.min(this.total, n));
    }

    /** Make the frame, once; refresh() fills it, so that the slider keeps its focus. */
    mount(root, player) {
        if (!this.total) {
            root.replaceChildren(el("p", { class: "note" }, NOTHING));
            return;
        }
        const go = (n) => { this.move(n); this.refresh(); };
        this.slider = el("input", { type: "range", min: 0, max: this.total, value: this.n,
            "aria-label": "change", oninput: (e) => go(Number(e.target.value)) });
        this.chart = el("div", { class: "chart-box" });
        this.text = el("p", { class: "sentence", "aria-live": "polite" });
        this.tables = el("div", { class: "mirrors" });
        root.replaceChildren(this.stageChoice(root, player),
            el("p", { class: "note" }, TITLES[this.stage]), player(this, go), this.slider,
            this.chart, this.text, legend(), this.tables);
        this.refresh();
    }

    stageChoice(root, player) {
        const select = el("select", { onchange: (e) => {
            this.choose(Number(e.target.value));
            this.mount(root, player);
        } });
        options(select, this.stages.map((s) => s === "G" ? "G-stage" : "shadow"), this.which);
        return el("div", { class: "bar", hidden: this.stages.length < 2 },
            el("label", {}, "Table ", select));
    }

    refresh() {
        if (!this.total)
            return;
        this.replay.to(this.n);
        const { tables, more } = this.replay.latest(TABLES_MAX);
        this.slider.value = this.n;
        this.chart.replaceChildren(chart(this.history, this.n));
        this.text.textContent = `${said(this.replay.changes[this.n - 1], this)} ` +
            `Entries now: ${this.replay.size}.`;
        this.tables.replaceChildren(...tables.map((t) => drawTable(t, this.n)),
            ...(more ? [el("p", { class: "note" },
                `${more} more tables, changed longer ago, aren't shown.`)] : []));
    }
}

const legend = () => el("p", { class: "legend" },
    el("span", { class: "key rw" }), " may be written ", el("span", { class: "key ro" }),
    " read-only ", el("span", { class: "key link" }), " leads to a table ",
    el("span", { class: "key ring" }), " the latest");

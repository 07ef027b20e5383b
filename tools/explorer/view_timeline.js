// The timeline of a trace: a lane for each kind of event, to zoom and to filter, with the events
// where one stands as a list. Where the ring lost events all lanes are hatched.

import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { zoom, zoomIdentity } from "d3-zoom";
import { el } from "./dom.js";
import { bins, duration, filtered, firstFrom, kindOf, kindsOf, union,
    vcpusOf } from "./lanes.js";
import { count } from "./numbers.js";
import { causeText } from "./paging.js";
import { drawShape, hatch } from "./shapes.js";

const LANE = 30, LEFT = 84, TOP = 24, SINGLE_MAX = 2, ROWS = 40;
const BAND_LEAST = 6;
const LASTING_MAX = 2000, LASTING_ROWS = 4;
const COLUMN = 8;   // pixels that share a mark

export class TimelineView {
    constructor(trace) {
        this.trace = trace;
        this.kinds = kindsOf(trace);
        this.vcpus = vcpusOf(trace);
        this.hidden = new Set();
        this.vcpu = null;
        this.at = 0;
        const { events } = trace;
        this.start = events[0]?.time ?? 0;
        this.end = Math.max(this.start + 1, events.at(-1)?.time ?? 0);
        this.filter();
    }

    filter() {
        this.events = filtered(this.trace, this.hidden, this.vcpu);
        this.byKind = new Map(this.kinds.map(({ kind }) =>
            [kind, this.events.filter((e) => e.event === kind)]));
        this.at = Math.min(this.at, Math.max(0, this.events.length - 1));
    }

    mount(root) {
        if (!this.trace.events.length) {
            root.replaceChildren(el("p", { class: "note" }, "This trace has no events."));
            return;
        }
        this.canvas = el("canvas", { class: "timeline", tabindex: 0, role: "img",
            "aria-label": "timeline; arrow keys move, plus and minus zoom; the list below has " +
                "the same events" });
        this.table = el("div", { class: "scroll events" });
        this.said = el("p", { class: "sentence", "aria-live": "polite" });
        root.replaceChildren(this.lost(), this.filters(), this.buttons(), this.canvas, this.said,
            this.table);
        this.zoom = zoom().scaleExtent([1, Math.max(10, (this.end - this.start) / 10)])
            .on("zoom", () => this.paint());
        this.surface = select(this.canvas).call(this.zoom);
        this.surface.on("click", (event) => this.pick(event));
        new ResizeObserver(() => this.resize()).observe(root);
        this.resize();
    }

    lost() {
        const { lost, told } = this.trace;
        return el("p", { class: lost ? "warning" : "note" }, lost
            ? `⚠ ${count(lost, "event")} of this trace were lost: hatched where it is known.`
            : `${count(told, "event")}, none lost.`);
    }

    filters() {
        const toggle = ({ kind, count: n }) => el("label", { class: "check", title:
            kindOf(kind).what }, el("input", { type: "checkbox", checked: !this.hidden.has(kind),
            onchange: (e) => this.show(kind, e.target.checked) }), ` ${kind} (${n})`);
        const vcpu = el("select", { onchange: (e) => this.only(e.target.value) },
            el("option", { value: "" }, "all"),
            this.vcpus.map((v) => el("option", { value: v }, `${v}`)));
        return el("div", { class: "bar" }, el("label", {}, "vcpu ", vcpu),
            this.kinds.filter(({ kind }) => kind !== "drop").map(toggle));
    }

    show(kind, on) {
        this.hidden[on ? "delete" : "add"](kind);
        this.filter();
        this.resize();
    }

    only(text) {
        this.vcpu = text === "" ? null : Number(text);
        this.filter();
        this.resize();
    }

    buttons() {
        const button = (text, label, act) => el("button", { "aria-label": label, title: label,
            onclick: act }, text);
        return el("div", { class: "bar" },
            button("−", "zoom out", () => this.zoomBy(0.5)),
            button("+", "zoom in", () => this.zoomBy(2)),
            button("all", "show all of it", () => this.surface.call(this.zoom.transform,
                zoomIdentity)),
            button("◀", "the event before", () => this.go(this.at - 1)),
            button("▶", "the next event", () => this.go(this.at + 1)));
    }

    zoomBy(factor) {
        this.surface.call(this.zoom.scaleBy, factor, [this.x(this.events[this.at]?.time ??
            this.start), 0]);
    }

    /** Whether the key is one of ours. */
    key(event) {
        const acts = { ArrowLeft: () => this.go(this.at - 1), ArrowRight: () => this.go(this.at + 1),
            "+": () => this.zoomBy(2), "=": () => this.zoomBy(2), "-": () => this.zoomBy(0.5),
            Home: () => this.go(0), End: () => this.go(this.events.length - 1) };
        acts[event.key]?.();
        return event.key in acts;
    }

    /** To event n of those shown, and bring it into view. */
    go(n) {
        this.at = Math.max(0, Math.min(this.events.length - 1, n));
        const x = this.x(this.events[this.at]?.time ?? this.start);
        if (x < LEFT || x > this.width - 8)
            this.surface.call(this.zoom.translateBy, ((this.width + LEFT) / 2 - x) /
                this.transform().k, 0);
        else
            this.paint();
    }

    transform() {
        return this.canvas.__zoom;
    }

    /** The scale is in seconds from the first event on, so that its marks are round. */
    x(time) {
        return this.scale((time - this.start) / this.trace.header.timebase);
    }

    time(x) {
        return this.start + this.scale.invert(x) * this.trace.header.timebase;
    }

    pick(event) {
        const time = this.time(event.offsetX);
        const kind = this.lanes()[Math.floor((event.offsetY - TOP) / LANE)];
        const mine = (n) => !kind || this.events[n]?.event === kind;
        let before = firstFrom(this.events, time), after = before;
        while (before >= 0 && !mine(before))
            before--;
        while (after < this.events.length && !mine(after))
            after++;
        const far = (n) => this.events[n] ? Math.abs(this.events[n].time - time) : Infinity;
        // The one left of the click is nearer than `before` may say: that one begins at it.
        let left = Math.min(before, this.events.length - 1);
        while (left >= 0 && (!mine(left) || this.events[left].time > time))
            left--;
        this.go([before, after, left].reduce((a, b) => far(b) < far(a) ? b : a));
    }

    lanes() {
        return this.kinds.map(({ kind }) => kind)
            .filter((kind) => kind !== "drop" && !this.hidden.has(kind));
    }

    resize() {
        this.width = Math.max(280, this.canvas.parentElement.clientWidth);
        this.height = TOP + this.lanes().length * LANE + 4;
        const ratio = devicePixelRatio || 1;
        this.canvas.width = this.width * ratio;
        this.canvas.height = this.height * ratio;
        this.canvas.style.height = `${this.height}px`;
        this.zoom.extent([[LEFT, 0], [this.width, this.height]])
            .translateExtent([[LEFT, 0], [this.width, this.height]]);
        this.paint();
    }

    paint() {
        const base = scaleLinear([0, (this.end - this.start) / this.trace.header.timebase],
            [LEFT + 6, this.width - 14]);
        this.scale = this.transform().rescaleX(base);
        const draw = this.canvas.getContext("2d");
        const ratio = devicePixelRatio || 1;
        draw.setTransform(ratio, 0, 0, ratio, 0, 0);
        draw.clearRect(0, 0, this.width, this.height);
        this.colours = getComputedStyle(this.canvas);
        this.paintAxis(draw);
        this.paintDrops(draw);
        this.lanes().forEach((kind, n) => this.paintLane(draw, kind, TOP + n * LANE));
        this.paintCursor(draw);
        this.list();
    }

    colour(name) {
        return this.colours.getPropertyValue(`--${name}`).trim();
    }

    paintAxis(draw) {
        draw.font = "12px system-ui, sans-serif";
        draw.textAlign = "center";
        for (const seconds of this.scale.ticks(Math.max(2, Math.floor(this.width / 130)))) {
            const x = this.scale(seconds);
            if (x < LEFT)
                continue;
            draw.fillStyle = this.colour("line");
            draw.fillRect(x, TOP - 4, 1, this.height);
            draw.fillStyle = this.colour("muted");
            draw.fillText(duration(seconds, 1),
                Math.min(x, this.width - 30), 14);
        }
    }

    paintDrops(draw) {
        const bands = union((this.byKind.get("drop") ?? []).map((drop) => {
            const x = this.x(drop.time);
            return [x, Math.max(x + BAND_LEAST, this.x(drop.until))];
        }));
        for (const [from, to] of bands)
            if (to > LEFT && from < this.width)
                hatch(draw, Math.max(LEFT, from), TOP - 4, Math.min(to, this.width) -
                    Math.max(LEFT, from), this.height, this.colour("fault"));
    }

    paintLane(draw, kind, top) {
        const { colour, shape } = kindOf(kind);
        const tint = this.colour(colour);
        const middle = top + LANE / 2;
        draw.fillStyle = this.colour("line");
        draw.fillRect(LEFT, top + LANE - 1, this.width, 1);
        drawShape(draw, shape, 10, middle, tint);
        draw.textAlign = "left";
        draw.fillStyle = this.colour("text");
        draw.fillText(kind, 20, middle + 4);
        const columns = Math.max(1, Math.floor((this.width - LEFT) / COLUMN));
        const range = [LEFT, LEFT + columns * COLUMN].map((x) => this.time(x));
        const counts = bins(this.byKind.get(kind), range, columns);
        const most = Math.max(...counts);
        counts.forEach((n, column) => {
            const x = LEFT + column * COLUMN;
            if (n > SINGLE_MAX) {
                const h = (LANE - 8) * (0.3 + 0.7 * Math.log(n) / Math.log(most));
                draw.fillStyle = tint;
                draw.fillRect(x + 1, top + LANE - 3 - h, COLUMN - 2, h);
            } else if (n) {
                drawShape(draw, shape, x + COLUMN / 2, middle, tint);
            }
        });
        if (kind === "exit")
            this.paintLasting(draw, this.byKind.get(kind), range, top + LANE - 4);
    }

    /** How long exits last, under them, where one can see it; each vcpu has its line. */
    paintLasting(draw, events, [from, to], y) {
        const first = firstFrom(events, from);
        const last = Math.min(firstFrom(events, to), first + LASTING_MAX);
        for (const event of events.slice(Math.max(0, first - 1), last)) {
            const x = Math.max(LEFT, this.x(event.time));
            const wide = this.x(event.time + (event.lasted ?? 0)) - x;
            if (wide > 2)
                draw.fillRect(x, y - event.vcpu % LASTING_ROWS * 3, wide, 2);
        }
    }

    paintCursor(draw) {
        const event = this.events[this.at];
        const x = event ? this.x(event.time) : 0;
        if (x < LEFT || x > this.width)
            return;
        draw.fillStyle = this.colour("text");
        draw.fillRect(x - 1, TOP - 6, 2, this.height);
        draw.beginPath();
        draw.moveTo(x - 6, TOP - 8);
        draw.lineTo(x + 6, TOP - 8);
        draw.lineTo(x, TOP);
        draw.fill();
    }

    list() {
        const from = Math.max(0, Math.min(this.at - 5, this.events.length - ROWS));
        const rows = this.events.slice(from, from + ROWS);
        const event = this.events[this.at];
        this.said.textContent = event ? `Line ${this.at + 1} of ${this.events.length}: ` +
            `${event.event} after ${this.after(event)}. ${this.facts(event)}` : "No event is shown.";
        this.table.replaceChildren(el("table", {},
            el("thead", {}, el("tr", {}, ["after", "event", "vcpu", "what"].map((name) =>
                el("th", { scope: "col" }, name)))),
            el("tbody", {}, rows.map((e, n) => el("tr", { class: e.event === "drop" ? "drop" : "",
                "aria-current": from + n === this.at ? "true" : null,
                onclick: () => this.go(from + n) },
                el("td", {}, this.after(e)), el("td", {}, e.event), el("td", {}, `${e.vcpu ?? "-"}`),
                el("td", {}, this.facts(e)))))));
    }

    facts(event) {
        return facts(event, this.trace.header.timebase);
    }

    after(event) {
        return duration(event.time - this.start, this.trace.header.timebase);
    }
}

/** What an event says besides what each event says. */
const COMMON = new Set(["n", "time", "hart", "vcpu", "instret", "event", "lasted"]);

function facts(event, timebase) {
    if (event.event === "drop")
        return `✗ ${count(event.dropped, "event")} lost`;
    const told = Object.entries(event).filter(([name, value]) => !COMMON.has(name) &&
        value !== null).map(([name, value]) =>
        `${name} ${name === "cause" && event.event === "fault" ? causeText(value) : value}`);
    if (event.lasted !== undefined)
        told.push(`lasted ${duration(event.lasted, timebase)}`);
    return told.join(", ");
}

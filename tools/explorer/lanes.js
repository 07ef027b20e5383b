// The timeline's arithmetic: which events are shown, and how many fall on each pixel.

/** Every kind of event: its shape (colour alone tells nobody anything) and the colour's name. */
export const KINDS = {
    exit: { shape: "circle", colour: "plain", what: "the guest left for the hypervisor" },
    fault: { shape: "cross", colour: "fault", what: "a translation failed" },
    inject: { shape: "down", colour: "fault", what: "a trap was given to the guest" },
    fill: { shape: "up", colour: "good", what: "an entry was put into a table" },
    sync: { shape: "diamond", colour: "good", what: "entries were compared with the guest's" },
    pt_store: { shape: "pen", colour: "vs", what: "a store to a page table was carried out" },
    satp: { shape: "square", colour: "vs", what: "the guest changed its address space" },
    fence: { shape: "bar", colour: "vs", what: "the guest fenced" },
    unshadow: { shape: "ring", colour: "g", what: "a page is no table any more" },
    evict: { shape: "box", colour: "g", what: "a table had to go, for want of memory" },
    break: { shape: "flag", colour: "plain", what: "a break was met: the guest was paused" },
    drop: { shape: "hatch", colour: "fault", what: "events were lost here" },
};

/** What a later Gnomon may tell of. */
const OTHER = { shape: "circle", colour: "plain", what: "" };

export const kindOf = (event) => Object.hasOwn(KINDS, event) ? KINDS[event] : OTHER;

export function kindsOf(trace) {
    const counts = new Map();
    for (const { event } of trace.events)
        counts.set(event, (counts.get(event) ?? 0) + 1);
    const known = Object.keys(KINDS).filter((kind) => counts.has(kind));
    return [...known, ...[...counts.keys()].filter((kind) => !Object.hasOwn(KINDS, kind))]
        .map((kind) => ({ kind, count: counts.get(kind) }));
}

export function vcpusOf(trace) {
    return [...new Set(trace.events.map((e) => e.vcpu).filter((v) => v !== null &&
        v !== undefined))].sort((a, b) => a - b);
}

/** Lost events are always shown: nobody knows whose they were. */
export function filtered(trace, hidden, vcpu) {
    return trace.events.filter((e) => e.event === "drop" ||
        !hidden.has(e.event) && (vcpu === null || e.vcpu === vcpu));
}

/** First index whose time is at least `time`. */
export function firstFrom(events, time) {
    let low = 0, high = events.length;
    while (low < high) {
        const middle = low + high >> 1;
        if (events[middle].time < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/** Events of one kind between two times, counted in `n` equal columns. */
export function bins(events, [from, to], n) {
    const counts = new Array(n).fill(0);
    const wide = (to - from) / n || 1;
    for (let i = firstFrom(events, from); i < events.length && events[i].time <= to; i++)
        counts[Math.min(n - 1, Math.floor((events[i].time - from) / wide))]++;
    return counts;
}

/** Bands [from, to], in order of their beginnings, with those that meet made one. */
export function union(bands) {
    const merged = [];
    for (const [from, to] of bands) {
        const last = merged.at(-1);
        if (last && from <= last[1] + 1)
            last[1] = Math.max(last[1], to);
        else
            merged.push([from, to]);
    }
    return merged;
}

/** Ticks as people say it: "1.25 ms". */
export function duration(ticks, timebase) {
    const seconds = ticks / timebase;
    for (const [unit, factor] of [["s", 1], ["ms", 1e3], ["µs", 1e6]])
        if (Math.abs(seconds) * factor >= 1 || unit === "µs")
            return `${Number((seconds * factor).toPrecision(5))} ${unit}`;
    return "";
}

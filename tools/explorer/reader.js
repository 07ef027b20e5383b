// From a file's text to walks and traces; or to an error that says what is wrong with it.
//
// A file has one JSON object a line: answers of `xlate`, or a trace, which begins with a line of
// its own, or both one after the other, as `gnomon explore` records them.

import { address } from "./numbers.js";
import { G_MODES, VS_MODES } from "./paging.js";

const WANTED = "a trace of Gnomon's, or what `tools/gnomon ctl --json xlate ...` says";

class Wrong extends Error {}

const isIn = (value, from, to) => Number.isInteger(value) && value >= from && value <= to;

function checkReference(ref, n, about) {
    if (ref.stage !== "G" && ref.stage !== "VS")
        throw new Wrong(`reference ${n} belongs to neither stage`);
    const levels = ref.stage === "G" ? G_MODES[about.g_mode] : VS_MODES[about.vs_mode];
    if (!isIn(ref.level, 0, levels - 1))
        throw new Wrong(`reference ${n} has a level that its mode doesn't`);
    if (!isIn(ref.index, 0, 2047))
        throw new Wrong(`reference ${n} has no index from 0 to 2047`);
    for (const name of ["of", "gpa", "hpa", "entry", "leads_to"])
        address(ref[name]);
    if (address(ref.hpa) === null || address(ref.entry) === null)
        throw new Wrong(`reference ${n} lacks its hpa or its entry`);
}

function readWalk(answer) {
    if (answer.ok === false)
        throw new Wrong(`the monitor said: ${answer.error ?? "an error"}`);
    const { result, about } = answer;
    if (!Array.isArray(result) || typeof about !== "object" || about === null)
        throw new Wrong("an answer of the monitor, but not of `xlate`");
    if (!Object.hasOwn(VS_MODES, about.vs_mode) || !Object.hasOwn(G_MODES, about.g_mode))
        throw new Wrong(`unknown modes: ${about.vs_mode} over ${about.g_mode}`);
    if (address(about.gva) === null)
        throw new Wrong("an answer of `xlate` that says no gva");
    for (const name of ["satp", "gpa", "hpa"])
        address(about[name]);
    if (!isIn(about.bytes ?? 0, 0, Number.MAX_SAFE_INTEGER))
        throw new Wrong(`a page of ${about.bytes} bytes`);
    result.forEach((ref, n) => checkReference(ref ?? {}, n + 1, about));
    return { result, about };
}

function beginTrace(header) {
    if (header.gnomon_trace !== 1)
        throw new Wrong(`a trace of format ${header.gnomon_trace}; this explorer knows format 1`);
    if (!(header.timebase > 0))
        throw new Wrong("a trace whose first line has no timebase");
    return { header, events: [], lost: 0 };
}

/** A line of a trace: an event, or a place where some were lost. */
function addEvent(trace, line) {
    if (!trace)
        throw new Wrong("an event before a trace's first line, {\"gnomon_trace\":1,...}");
    if (line.event === undefined) {
        if (!(line.dropped > 0))
            throw new Wrong("a lost-events line without their number");
        trace.lost += line.dropped;
        trace.events.push({ event: "drop", dropped: line.dropped,
            time: trace.events.at(-1)?.time ?? null, vcpu: null });
        return;
    }
    if (typeof line.event !== "string")
        throw new Wrong("an event whose kind is no word");
    if (!Number.isFinite(line.time))
        throw new Wrong("an event without a time");
    if (!isIn(line.level ?? 0, 0, 4))
        throw new Wrong("an event with a level that isn't from 0 to 4");
    for (const name of ["at", "gpa", "hpa", "entry"])
        if (line[name] !== undefined)
            address(line[name]);
    trace.events.push(line);
}

function addLine(found, line) {
    if (typeof line !== "object" || line === null || Array.isArray(line))
        throw new Wrong(`neither ${WANTED}`);
    if (line.traceEvents)
        throw new Wrong("a trace for Perfetto: open it at ui.perfetto.dev, or here the JSON lines");
    if ("gnomon_trace" in line)
        found.traces.push(beginTrace(line));
    else if ("ok" in line)
        found.walks.push(readWalk(line));
    else if ("event" in line || "dropped" in line)
        addEvent(found.traces.at(-1), line);
    else
        throw new Wrong(`neither ${WANTED}`);
}

/** An exit lasts until its vcpu enters the guest again; where events were lost nobody knows. */
function pairExits(trace) {
    const away = new Map();
    for (const event of trace.events)
        if (event.event === "drop")
            away.clear();
        else if (event.event === "exit")
            away.set(event.vcpu, event);
        else if (event.event === "enter" && away.has(event.vcpu)) {
            away.get(event.vcpu).lasted = event.time - away.get(event.vcpu).time;
            away.delete(event.vcpu);
        }
    trace.events = trace.events.filter((event) => event.event !== "enter");
}

/** Lost events have no time of their own: they are between the event before and the next. */
function settle(trace) {
    const first = trace.events.find((e) => e.time !== null)?.time ?? 0;
    for (const event of trace.events)
        event.time ??= first;
    trace.events.sort((a, b) => a.time - b.time);
    trace.events.forEach((event, n) => {
        if (event.event === "drop")
            event.until = trace.events[n + 1]?.time ?? event.time;
    });
    pairExits(trace);
    trace.told = trace.events.filter((event) => event.event !== "drop").length;
    // Where the ring lost events the file says so; the header's sum may know of more.
    trace.lost = Math.max(trace.lost, trace.header.dropped || 0);
}

/** The objects of a text, with their lines: one a line, or one in all, over several. */
function* objects(text, note) {
    const lines = text.split("\n");
    const last = lines.findLastIndex((line) => line.trim());
    let good = 0;
    for (const [n, line] of lines.entries()) {
        if (!line.trim())
            continue;
        let value;
        try {
            value = JSON.parse(line);
        } catch {
            if (!good) {
                yield* whole(text);
                return;
            }
            if (n !== last)
                throw new Wrong(`line ${n + 1} is no JSON`);
            note(`its last line, ${n + 1}, is cut off and was left out`);
            return;
        }
        good++;
        yield [n + 1, value];
    }
}

function* whole(text) {
    let value;
    try {
        value = JSON.parse(text);
    } catch {
        throw new Wrong(`no JSON: it should be ${WANTED}`);
    }
    for (const item of Array.isArray(value) ? value : [value])
        yield [1, item];
}

/**
 * Read a file. Returns { walks, traces, notes }; throws an Error with one sentence for the user.
 */
export function read(name, text) {
    const found = { walks: [], traces: [], notes: [] };
    let at = 0;
    try {
        for (const [line, value] of objects(text, (why) => found.notes.push(`${name}: ${why}.`))) {
            at = line;
            addLine(found, value);
        }
    } catch (error) {
        throw new Error(`${name}${at > 1 ? `, line ${at}` : ""}: ${error.message}.`);
    }
    if (!found.walks.length && !found.traces.length)
        throw new Error(`${name} is empty: it should be ${WANTED}.`);
    found.traces.forEach(settle);
    return found;
}

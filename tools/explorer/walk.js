// One answer of `xlate` as the steps of a walk: where each lies in the picture, what it says.

import { address, hex, size } from "./numbers.js";
import { G_MODES, VS_MODES, decode, modeName } from "./paging.js";

/** Where a step's entry leads: the next table, or the very byte in the page. */
function target(ref, entry) {
    if (entry.kind !== "leaf")
        return entry.kind === "table" ? entry.to : null;
    return entry.to | address(ref.of) & (entry.bytes - 1n);
}

function sentence(step) {
    const { stage, level, index, entry, to, table } = step;
    const [from, space] = stage === "G" ? ["gpa", "hpa"] : ["gva", "gpa"];
    const where = `${stage}-stage, level ${level}: entry ${index} of the table at ` +
        `${space} ${hex(table)}`;
    if (entry.kind === "table")
        return `${where} names the next table, at ${space} ${hex(to)}.`;
    if (entry.kind === "leaf")
        return `${where} is a leaf, a page of ${size(entry.bytes)}: ${from} ${hex(step.of)} ` +
            `is ${space} ${hex(to)}.`;
    if (entry.kind === "reserved")
        return `${where} has W without R, which is reserved.`;
    return `${where} isn't valid.`;
}

/** The row of the picture for each reference: a level of the VS-stage, or "page". */
function rows(result, vsTop) {
    const next = [];
    let row = vsTop < 0 ? "page" : vsTop;
    for (const ref of result) {
        next.push(row);
        if (ref.stage === "VS") {
            const leaf = decode(address(ref.entry), ref.level).kind === "leaf";
            row = leaf || ref.level === 0 ? "page" : ref.level - 1;
        }
    }
    return next;
}

function makeStep(ref, n, row, about) {
    const entry = decode(address(ref.entry), ref.level);
    const at = address(ref.stage === "VS" ? ref.gpa : ref.hpa) ?? address(ref.hpa);
    const step = {
        n, row, stage: ref.stage, level: ref.level, index: ref.index, entry,
        raw: address(ref.entry), of: address(ref.of), table: at - 8n * BigInt(ref.index),
        gva: address(about.gva),
        gpa: ref.stage === "VS" ? address(ref.gpa) : address(ref.of),
        hpa: address(ref.hpa), to: target(ref, entry), may: ref.may ?? null, fault: false,
    };
    step.sentence = sentence(step);
    return step;
}

const asSentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text)
    ? "" : "."}`;

/** What a walk's last step adds up to. */
function outcome(about) {
    if (about.works)
        return `gva ${about.gva} is gpa ${about.gpa}, hpa ${about.hpa}, in a page of ` +
            `${size(BigInt(about.bytes ?? 4096))} that both stages have there.`;
    return asSentence(`${about.why || "the walk ends in a fault"}`);
}

/**
 * A walk: { about, steps, end, name, vsLeaf, gLeaf }. The leaves are the levels at which the two
 * stages' walks to the page end, null where they don't.
 */
export function makeWalk({ result, about }) {
    const places = rows(result, VS_MODES[about.vs_mode] - 1);
    const steps = result.map((ref, n) => makeStep(ref, n + 1, places[n], about));
    const last = steps.at(-1);
    if (last && !about.works) {
        last.fault = true;
        last.sentence = `${last.sentence} ${outcome(about)}`;
    }
    const leaf = (stage) => steps.findLast((s) =>
        s.stage === stage && s.entry.kind === "leaf" && (stage === "VS" || s.row === "page"));
    return {
        about, steps, end: outcome(about),
        name: `${about.vm}.${about.vcpu ?? 0} ${about.gva} ${about.access ?? ""}`.trim() +
            (about.works ? "" : " ✗"),
        modes: `${modeName(about.vs_mode)} over ${modeName(about.g_mode)}`,
        vsLevels: VS_MODES[about.vs_mode], gLevels: G_MODES[about.g_mode],
        vsLeaf: about.vs_mode === "bare" ? 0 : leaf("VS")?.level ?? null,
        gLeaf: leaf("G")?.level ?? null,
    };
}

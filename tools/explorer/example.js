// A walk that no machine made, for each pair of modes and page sizes: nothing of a guest's is
// needed to follow one, and a guest of Gnomon's seldom has 4 KiB pages in its G-stage.

import { hex, size } from "./numbers.js";
import { G_MODES, VS_MODES, modeName, span, tableEntries } from "./paging.js";

const GVA = 0x12_3456_7abcn;                // canonical in each mode
const PAGE = 0x8765_4000n;                  // the guest has its page there,
const VS_TABLES = 0x8020_0000n;             // its tables from here on,
const G_TABLES = 0x9000_0000n;              // the host has those of the G-stage here,
const TABLE_APART = 0x4000n;                // a root being four pages,
const HOST = 0x1_0000_0000n;                // and the guest's memory so much above its gpa.
const POINTER = 0x1n, VS_LEAF = 0xc7n, G_LEAF = 0xdfn;

const entry = (at, flags) => at >> 12n << 10n | flags;
const indexOf = (mode, level, at) =>
    at >> BigInt(12 + 9 * level) & BigInt(tableEntries(mode, level) - 1);
const inPage = (at, level) => at & span(level) - 1n;

/** The G-stage's part: each address that it is asked for adds its references to `result`. */
class GStage {
    constructor(mode, leaf, result) {
        Object.assign(this, { mode, leaf, result, tables: new Map() });
    }

    /** The table of a level that `at` is looked up in; below the root there are several. */
    table(level, at) {
        const key = level === G_MODES[this.mode] - 1 ? "root" : `${level}:${at / span(level + 1)}`;
        if (!this.tables.has(key))
            this.tables.set(key, G_TABLES + BigInt(this.tables.size) * TABLE_APART);
        return this.tables.get(key);
    }

    /** The host physical address of guest physical `at`. */
    walk(at) {
        for (let level = G_MODES[this.mode] - 1; ; level--) {
            const table = this.table(level, at), index = indexOf(this.mode, level, at);
            const page = at + HOST & ~(span(level) - 1n);
            this.result.push({ stage: "G", level, of: hex(at), index: Number(index), gpa: null,
                hpa: hex(table + 8n * index), entry: hex(level === this.leaf
                    ? entry(page, G_LEAF) : entry(this.table(level - 1, at), POINTER)) });
            if (level === this.leaf)
                return page | inPage(at, level);
        }
    }
}

/** What `xlate` would say of it: levels of the two leaves, 0 for 4 KiB. */
export function example({ vs, vsLeaf, g, gLeaf }) {
    const result = [], gStage = new GStage(g, gLeaf, result);
    const page = PAGE & ~(span(vsLeaf) - 1n);
    for (let level = VS_MODES[vs] - 1; level >= vsLeaf; level--) {
        const index = indexOf(vs, level, GVA);
        const gpa = VS_TABLES + BigInt(level) * 0x1000n + 8n * index;
        const hpa = gStage.walk(gpa);
        result.push({ stage: "VS", level, of: hex(GVA), index: Number(index), gpa: hex(gpa),
            hpa: hex(hpa), entry: hex(level === vsLeaf ? entry(page, VS_LEAF)
                : entry(VS_TABLES + BigInt(level - 1) * 0x1000n, POINTER)) });
    }
    const isBare = vs === "bare";
    const gpa = isBare ? GVA : page | inPage(GVA, vsLeaf);
    const smaller = isBare || gLeaf < vsLeaf ? gLeaf : vsLeaf;
    const name = `Example: ${modeName(vs)} over ${modeName(g)}, ` +
        `${isBare ? "" : `${size(span(vsLeaf))} over `}${size(span(gLeaf))}`;
    return { name, result, about: { vm: name, vcpu: 0, gva: hex(GVA), access: "load",
        mode: "kernel", vs_mode: vs, g_mode: g, sum: false, mxr: false, works: true, cause: null,
        satp: isBare ? "0x0" : hex(BigInt(VS_MODES[vs] + 5) << 60n |
            VS_TABLES + BigInt(VS_MODES[vs] - 1) * 0x1000n >> 12n),
        gpa: hex(gpa), hpa: hex(gStage.walk(gpa)), bytes: Number(span(smaller)) } };
}

// The formats of RISC-V's page tables, and what an entry says.
// Source: privileged specification, "Sv39", "Sv48", "Sv57", "Two-Stage Address Translation".

/** Levels of each mode. The x4 modes' top tables are four times as large: 11 bits of index. */
export const VS_MODES = { bare: 0, sv39: 3, sv48: 4, sv57: 5 };
export const G_MODES = { sv39x4: 3, sv48x4: 4, sv57x4: 5 };

const NAMES = { bare: "Bare", sv39: "Sv39", sv48: "Sv48", sv57: "Sv57" };
export const modeName = (mode) => NAMES[mode.replace("x4", "")] + (mode.endsWith("x4") ? "x4" : "");

/** Bytes that an entry of this level maps: 4 KiB, 2 MiB, ... */
export const span = (level) => 1n << BigInt(12 + 9 * level);

/** Entries of a table. */
export const tableEntries = (mode, level) =>
    mode in G_MODES && level === G_MODES[mode] - 1 ? 2048 : 512;

const BITS = [
    { letter: "v", bit: 0, name: "valid" },
    { letter: "r", bit: 1, name: "read" },
    { letter: "w", bit: 2, name: "write" },
    { letter: "x", bit: 3, name: "execute" },
    { letter: "u", bit: 4, name: "user" },
    { letter: "g", bit: 5, name: "global" },
    { letter: "a", bit: 6, name: "accessed" },
    { letter: "d", bit: 7, name: "dirty" },
];

/** Exceptions that a translation, or what is behind it, ends in. */
const CAUSES = {
    1: "instruction access fault", 5: "load access fault", 7: "store access fault",
    12: "instruction page fault", 13: "load page fault", 15: "store page fault",
    20: "instruction guest page fault", 21: "load guest page fault", 23: "store guest page fault",
};
export const causeText = (cause) =>
    Object.hasOwn(CAUSES, cause) ? `${cause} (${CAUSES[cause]})` : `${cause}`;

const PBMT = ["", "non-cacheable", "I/O", "reserved"];

/**
 * An entry taken apart. kind: "nothing" (V = 0), "table", "leaf", or "reserved" (W without R).
 * page: where it leads, as far as the entry itself says.
 */
export function decode(entry, level) {
    const on = (bit) => (entry >> BigInt(bit) & 1n) === 1n;
    const flags = BITS.map(({ letter, bit, name }) => ({ letter, name, set: on(bit) })).reverse();
    const napot = on(63);
    const to = (entry >> 10n & (1n << 44n) - 1n) << 12n;
    let kind = "nothing";
    if (on(0))
        kind = on(1) || on(3) ? "leaf" : on(2) ? "reserved" : "table";
    const bytes = kind !== "leaf" ? 4096n : napot ? 65536n : span(level);
    return {
        flags, kind, bytes, to: kind === "leaf" ? to & ~(bytes - 1n) : to,
        rights: ["r", "w", "x", "u"].map((l) => on(BITS.find((b) => b.letter === l).bit) ? l : "-")
            .join(""),
        extras: [napot && kind === "leaf" ? "N: 64 KiB" : "",
            PBMT[Number(entry >> 61n & 3n)] && `PBMT: ${PBMT[Number(entry >> 61n & 3n)]}`,
            (entry >> 8n & 3n) !== 0n ? `RSW: ${entry >> 8n & 3n}` : ""].filter(Boolean),
    };
}

/**
 * The references of a walk that no cache helps, in order: each entry of the VS-stage lies at a
 * guest physical address, which the G-stage must translate first, and so does the page.
 * vsLeaf, gLeaf: the level at which each stage's walks end.
 */
export function* references({ vs, vsLeaf, g, gLeaf }) {
    function* gStage(row) {
        for (let level = G_MODES[g] - 1; level >= gLeaf; level--)
            yield { stage: "G", level, row };
    }
    let row = 0;
    for (let level = VS_MODES[vs] - 1; level >= (vs === "bare" ? 0 : vsLeaf); level--) {
        yield* gStage(row);
        yield { stage: "VS", level, row };
        row++;
    }
    yield* gStage(row);
}

/** The numbers for each pair of leaves: rows by the VS-stage's level, columns by the G-stage's. */
export function costs(vs, g) {
    const rows = vs === "bare" ? 1 : VS_MODES[vs];
    return Array.from({ length: rows }, (_, vsLeaf) =>
        Array.from({ length: G_MODES[g] }, (_, gLeaf) =>
            [...references({ vs, vsLeaf, g, gLeaf })].length));
}

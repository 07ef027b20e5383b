// Answers of `xlate` and traces as Gnomon would give them, for machines that are made up here:
// tables lie where a formula puts them, so that a test knows each address beforehand.

export const LEVELS = { bare: 0, sv39: 3, sv48: 4, sv57: 5, sv39x4: 3, sv48x4: 4, sv57x4: 5 };

const hex = (n) => `0x${n.toString(16)}`;
const span = (level) => 2n ** BigInt(12 + 9 * level);
const letters = (entry) => [..."dagu xwrv"].map((letter) => letter === " " ? " "
    : entry >> BigInt("vrwxugad".indexOf(letter)) & 1n ? letter : "-").join("");

const TABLE = 0x1n, LEAF = 0xc7n, USER_LEAF = 0xdfn;
const pte = (at, flags) => at >> 12n << 10n | flags;

const index = (mode, level, at) => Number(at >> BigInt(12 + 9 * level) &
    (mode.endsWith("x4") && level === LEVELS[mode] - 1 ? 2047n : 511n));

/** Host memory of the VM begins here, and so many gigabytes above its own address. */
const HOST = 0x2_0000_0000n;

/** The guest's tables: one page each from 0x80200000 on, by level. */
const vsTable = (level) => 0x8020_0000n + BigInt(level) * 0x1000n;
/** The G-stage's: from 0x90000000 on, by level and by the 1 GiB that they are for. */
const gTable = (level, at) => 0x9000_0000n + BigInt(level) * 0x10_0000n +
    (at >> 30n) % 16n * 0x4000n + (at >> 21n) % 4n * 0x1000n * (level === 0 ? 1n : 0n);

class Walk {
    constructor(how) {
        Object.assign(this, { vs: "sv39", g: "sv39x4", vsLeaf: 0, gLeaf: 0, vm: "a",
            gva: 0x7_3000_1abcn, page: 0x8834_5000n }, how);
        this.result = [];
    }

    add(stage, level, of, table, gpa, hpa, entry) {
        const mode = stage === "VS" ? this.vs : this.g;
        this.result.push({ ref: this.result.length + 1, stage, level, of: hex(of),
            index: index(mode, level, of), gpa: gpa === null ? null : hex(gpa), hpa: hex(hpa),
            entry: hex(entry), bits: letters(entry), leads_to: hex(entry >> 10n << 12n) });
    }

    /** gpa to hpa, or null where this walk is to fail here. */
    gStage(at, fails) {
        for (let level = LEVELS[this.g] - 1; level >= 0; level--) {
            const table = gTable(level, at);
            const hpa = table + 8n * BigInt(index(this.g, level, at));
            if (fails && level === 0) {
                this.add("G", level, at, table, null, hpa, 0n);
                return null;
            }
            if (level > this.gLeaf || fails) {
                this.add("G", level, at, table, null, hpa, pte(gTable(level - 1, at), TABLE));
                continue;
            }
            const to = at + HOST & ~(span(level) - 1n);
            this.add("G", level, at, table, null, hpa, pte(to, USER_LEAF));
            return to | at & (span(level) - 1n);
        }
        return null;
    }

    run() {
        let at = this.vs === "bare" ? this.page : null;
        for (let level = LEVELS[this.vs] - 1; at === null; level--) {
            const gpa = vsTable(level) + 8n * BigInt(index(this.vs, level, this.gva));
            const hpa = this.gStage(gpa, false);
            if (this.fault === "vs" && level === 0) {
                this.add("VS", level, this.gva, null, gpa, hpa, 0n);
                return this.answer(null, null);
            }
            const leaf = level === this.vsLeaf;
            this.add("VS", level, this.gva, null, gpa, hpa, leaf
                ? pte(this.page & ~(span(level) - 1n), LEAF) : pte(vsTable(level - 1), TABLE));
            if (leaf)
                at = this.page & ~(span(level) - 1n) | this.gva & (span(level) - 1n);
        }
        return this.answer(at, this.gStage(at, this.fault === "g"));
    }

    answer(gpa, hpa) {
        const satp = this.vs === "bare" ? 0n : BigInt(LEVELS[this.vs] + 5) << 60n |
            vsTable(LEVELS[this.vs] - 1) >> 12n;
        const smaller = this.vsLeaf < this.gLeaf && this.vs !== "bare" ? this.vsLeaf : this.gLeaf;
        return { ok: true, result: this.result, about: { vm: this.vm, vcpu: 0,
            gva: hex(this.gva), access: "load", mode: "kernel", vs_mode: this.vs,
            g_mode: this.g, satp: hex(satp), sum: false, mxr: false, works: hpa !== null,
            cause: hpa !== null ? null : this.fault === "g" ? 21 : 13,
            gpa: gpa === null ? null : hex(gpa), hpa: hpa === null ? null : hex(hpa),
            bytes: Number(span(smaller)), why: WHY[this.fault] ?? "it works",
            sets_accessed: false, shadow: null, hardware: "agrees" } };
    }
}

const WHY = { vs: "the VS-stage has nothing there: the guest's own page fault",
    g: "the G-stage has nothing there yet: a touch would give it a page" };

/** One answer of `xlate`; see Walk for what can be chosen. */
export const answer = (how = {}) => new Walk(how).run();

export const text = (...lines) => lines.map((line) => JSON.stringify(line)).join("\n") + "\n";

/** All of a mode's 4 KiB pages: 15, 24, 35 references. */
export const WALKS = text(
    answer(), answer({ vs: "sv48", g: "sv48x4" }), answer({ vs: "sv57", g: "sv57x4" }),
    answer({ vs: "sv57", g: "sv39x4", gLeaf: 1, gva: 0xff20_0000_000b_3e30n }),
    answer({ fault: "g", page: 0x9000_0000n, gva: 0x7_3000_4000n }),
    answer({ fault: "vs", gva: 0x7_3000_5010n }),
    answer({ vs: "bare" }),
    answer({ gva: 0x7_3000_3000n, page: 0x8834_9000n }),
    answer({ gva: 0x7_3040_0000n, vsLeaf: 1, gLeaf: 1, page: 0x8840_0000n }));

const HEADER = { gnomon_trace: 1, vm: "a", backend: "depriv", policy: "lazy",
    timebase: 10000000, dropped: 0 };

/**
 * A guest that fills pages, one after the other, changes one of 20, with a fence, and has its table
 * dropped in the end; some events are lost on the way. Its table of level 0 is at TABLE_AT.
 */
export const TABLE_AT = 0x8020_0000n;

export function trace(pages = 120, backend = "depriv") {
    const lines = [{ ...HEADER, backend, dropped: 0 }];
    let n = 0, time = 5_000_000;
    const say = (event, more) => lines.push({ n: n++, time: time += 40 + n * 7919 % 3000,
        hart: 0, vcpu: n % 3 ? 0 : 1, instret: null, event, ...more });
    const stage = backend === "hext" ? "G" : "shadow";
    const begin = 0x7_3000_0000n;
    if (stage === "shadow")
        say("fill", { at: hex(begin), gpa: hex(TABLE_AT), hpa: "0x290000000", level: 1,
            entry: hex(pte(0x2_9000_0000n, TABLE)), stage, why: "table" });
    for (let page = 0; page < pages; page++) {
        const index = BigInt(page * 37 % 512), at = begin + index * 0x1000n;
        const to = 0x8834_0000n + BigInt(page) * 0x1000n;
        say("exit", { cause: 13, pc: "0xffffffff80001234", at: hex(at), why: "load-page" });
        say("fault", { cause: 13, pc: "0xffffffff80001234", at: hex(at) });
        say("fill", { at: hex(at), gpa: hex(to), hpa: hex(to + HOST), level: 0, stage,
            table: stage === "shadow" ? hex(TABLE_AT) : undefined,
            entry: hex(pte(to + HOST, page % 4 ? LEAF : LEAF & ~4n)), why: "page" });
        say("enter", { pc: "0xffffffff80001234" });
        if (page % 20 === 19 && stage === "shadow") {
            say("fence", { at: hex(at), asid: 1 });
            say("sync", { gpa: hex(TABLE_AT + 8n * index), level: 0, entry: hex(pte(to, LEAF)),
                value: "0x0", why: "changed" });
        }
        if (page === pages >> 1)
            lines.push({ dropped: 17 });
    }
    say("inject", { cause: 13, at: "0x10", why: "load-page" });
    if (stage === "shadow")
        say("evict", { gpa: hex(TABLE_AT), level: 0 });
    return text(...lines);
}

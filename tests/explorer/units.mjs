// The explorer's logic, without a page.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";

import { example } from "../../tools/explorer/example.js";
import { bins, duration, filtered, firstFrom, union, vcpusOf } from "../../tools/explorer/lanes.js";
import { address, size } from "../../tools/explorer/numbers.js";
import { costs, decode, references, tableEntries } from "../../tools/explorer/paging.js";
import { read } from "../../tools/explorer/reader.js";
import { Replay, stagesOf } from "../../tools/explorer/shadow.js";
import { related, treeLines } from "../../tools/explorer/tree.js";
import { makeWalk } from "../../tools/explorer/walk.js";
import { test } from "./harness.mjs";
import { LEVELS, TABLE_AT, WALKS, answer, text, trace } from "./samples.mjs";

const head = { gnomon_trace: 1, vm: "a", backend: "hext", timebase: 10000000, dropped: 0 };

const G = ["sv39x4", "sv48x4", "sv57x4"], VS = ["sv39", "sv48", "sv57"];

test("a walk of 4 KiB pages has 15, 24, 35 references", () => {
    assert.deepEqual(VS.map((vs, n) => costs(vs, G[n])[0][0]), [15, 24, 35]);
});

test("costs are the formula's for each pair of modes and leaves", () => {
    for (const vs of ["bare", ...VS])
        for (const g of G)
            costs(vs, g).forEach((row, vsLeaf) => row.forEach((cost, gLeaf) => {
                const n = vs === "bare" ? 0 : LEVELS[vs] - vsLeaf, m = LEVELS[g] - gLeaf;
                assert.equal(cost, n * (m + 1) + m, `${vs} ${vsLeaf} ${g} ${gLeaf}`);
            }));
    // README's: a Linux in Sv57 whose G-stage is of 2 MiB pages in Sv39x4.
    assert.equal(costs("sv57", "sv39x4")[0][1], 17);
});

test("references come in the order of the specification", () => {
    const said = [...references({ vs: "sv39", vsLeaf: 1, g: "sv39x4", gLeaf: 1 })]
        .map(({ stage, level }) => `${stage}${level}`).join(" ");
    assert.equal(said, "G2 G1 VS2 G2 G1 VS1 G2 G1");
});

test("references are those of a walk of the same sizes", () => {
    for (const [vs, g] of VS.map((vs, n) => [vs, G[n]]))
        for (let vsLeaf = 0; vsLeaf < LEVELS[vs]; vsLeaf++)
            for (let gLeaf = 0; gLeaf < LEVELS[g]; gLeaf++) {
                const { steps } = makeWalk(answer({ vs, g, vsLeaf, gLeaf }));
                assert.deepEqual(steps.map(({ stage, level }) => [stage, level]),
                    [...references({ vs, vsLeaf, g, gLeaf })].map((r) => [r.stage, r.level]));
            }
});

test("examples have the references of their sizes, and lead from table to table", () => {
    for (const vs of ["bare", ...VS])
        for (const g of G)
            costs(vs, g).forEach((row, vsLeaf) => row.forEach((cost, gLeaf) => {
                const made = example({ vs, vsLeaf, g, gLeaf });
                const { walks } = read("example", text({ ok: true, ...made }));
                const { steps, about, end } = makeWalk(walks[0]);
                assert.equal(steps.length, cost, made.name);
                const wanted = [...references({ vs, vsLeaf, g, gLeaf })];
                assert.deepEqual(steps.map((s) => [s.stage, s.level]),
                    wanted.map((r) => [r.stage, r.level]));
                steps.forEach((step, n) => {
                    const next = steps.slice(n + 1).find((s) => s.stage === step.stage);
                    assert.ok(step.entry.kind !== "table" || next.table === step.entry.to);
                    assert.ok(step.stage === "G" || steps[n - 1].to === step.hpa);
                });
                assert.equal(steps.at(-1).to, address(about.hpa));
                assert.match(end, new RegExp(`page of ${size(BigInt(about.bytes))}`));
            }));
    const names = VS.flatMap((vs) => G.map((g) => example({ vs, vsLeaf: 0, g, gLeaf: 1 }).name));
    assert.equal(new Set(names).size, 9);
});

test("entries are taken apart", () => {
    const leaf = decode(0x2020_00d7n, 0);
    assert.equal(leaf.kind, "leaf");
    assert.equal(leaf.rights, "rw-u");
    assert.equal(leaf.flags.filter((f) => f.set).map((f) => f.letter).join(""), "dauwrv");
    assert.equal(decode(0n, 0).kind, "nothing");
    assert.equal(decode(0x5n, 0).kind, "reserved");
    assert.equal(decode(0x2000_0001n, 2).kind, "table");
    assert.equal(decode(0x2000_0001n, 2).to, 0x8000_0000n);
});

test("a NAPOT leaf is of 64 KiB, its low PPN bits aren't its address", () => {
    const e = decode(1n << 63n | 0x80208n << 10n | 0xcfn, 0);
    assert.equal(e.bytes, 65536n);
    assert.equal(e.to, 0x8020_0000n);
    assert.deepEqual(e.extras, ["N: 64 KiB"]);
});

test("PBMT and RSW are shown", () => {
    assert.deepEqual(decode(2n << 61n | 0x3c7n, 0).extras, ["PBMT: I/O", "RSW: 3"]);
});

test("the G-stage's top table has 2048 entries", () => {
    assert.deepEqual([tableEntries("sv39x4", 2), tableEntries("sv39x4", 1),
        tableEntries("sv48x4", 3), tableEntries("sv39", 2)], [2048, 512, 2048, 512]);
});

test("a step has its table, index and addresses", () => {
    const { steps } = makeWalk(answer());
    const vs = steps[3];
    assert.equal(vs.stage, "VS");
    assert.equal(vs.table, 0x8020_2000n);
    assert.equal(vs.index, Number(0x7_3000_1abcn >> 30n & 511n));
    assert.equal(vs.gpa, vs.table + 8n * BigInt(vs.index));
    assert.equal(vs.hpa, vs.gpa + 0x2_0000_0000n);
    assert.equal(vs.to, 0x8020_1000n);
    assert.equal(steps[0].of, vs.gpa);
    assert.equal(steps.at(-1).to, 0x2_8834_5abcn);
    assert.match(steps.at(-1).sentence, /page of 4 KiB: gpa 0x88345abc is hpa 0x288345abc/);
});

test("rows of the picture: one for each entry of the VS-stage, and the page", () => {
    const rowsOf = (how) => [...new Set(makeWalk(answer(how)).steps.map((s) => s.row))];
    assert.deepEqual(rowsOf({}), [2, 1, 0, "page"]);
    assert.deepEqual(rowsOf({ vsLeaf: 1 }), [2, 1, "page"]);
    assert.deepEqual(rowsOf({ vs: "bare" }), ["page"]);
    assert.deepEqual(rowsOf({ fault: "vs" }), [2, 1, 0]);
});

test("the last step of a walk that fails says why", () => {
    for (const fault of ["vs", "g"]) {
        const { steps, about } = makeWalk(answer({ fault }));
        assert.deepEqual(steps.filter((s) => s.fault).map((s) => s.n), [steps.length]);
        assert.ok(steps.at(-1).sentence.endsWith(`T${about.why.slice(1)}.`));
    }
});

test("the trees have each table once, in order of the indices", () => {
    const walks = read("f", WALKS).walks.map(makeWalk);
    const mine = related(walks, walks[0], "VS");
    const lines = treeLines(mine, "VS");
    const tables = lines.filter((l) => l.table && !l.again);
    assert.deepEqual(tables.map((l) => [l.depth, l.table.level]), [[0, 2], [1, 1], [2, 0]]);
    assert.equal(lines.filter((l) => l.step?.entry.kind === "leaf").length, 4);
    const g = treeLines(related(walks, walks[0], "G"), "G");
    assert.equal(g[0].table.level, 2);
    assert.ok(g.some((l) => l.step?.fault), "the fault is in the tree");
});

test("a guest's tables that form a loop make no endless tree", () => {
    const loop = answer();
    for (const ref of loop.result.filter((r) => r.stage === "VS"))
        Object.assign(ref, { gpa: "0x80200000", index: 0, entry: "0x20080001" });
    const lines = treeLines([makeWalk(loop)], "VS");
    assert.ok(lines.length < 10);
});

test("a trace replays: fills, syncs that take back, an eviction of a table", () => {
    const [one] = read("t", trace()).traces;
    assert.deepEqual(stagesOf(one), ["shadow"]);
    const replay = new Replay(one, "shadow");
    const total = replay.changes.length;
    assert.equal(total, 1 + 120 + 6 + 1);
    replay.to(20);
    assert.equal(replay.size, 20);
    replay.to(22);      // the twentieth page's fill, and its sync
    assert.equal(replay.size, 20);
    const { tables, more } = replay.latest(1);
    assert.deepEqual([tables.length, more], [1, 1]);
    assert.deepEqual([tables[0].level, tables[0].base, tables[0].at, tables[0].entries.size],
        [0, TABLE_AT, 0x7_3000_0000n, 19]);
    replay.to(total - 1);
    assert.equal(replay.size, 115);
    replay.to(total);
    assert.equal(replay.size, 1);
    replay.to(5);
    assert.equal(replay.size, 5);
    const history = replay.history();
    assert.deepEqual([history[4], history[20], history.at(-1)], [5, 21, 1]);
    assert.equal(replay.n, 5);
});

test("a sync that leaves the entry, and a lifted protection, take nothing back", () => {
    const [one] = read("t", trace(20)).traces;
    const wanted = one.events.filter((e) => ["fill", "sync"].includes(e.event));
    wanted.at(-1).why = "same";
    wanted.push({ event: "unshadow", time: 9e9, gpa: "0x80200000", why: "stored" });
    const replay = new Replay({ ...one, events: wanted }, "shadow");
    replay.to(wanted.length);
    assert.equal(replay.size, 21);
    wanted.at(-1).why = "disused";
    const other = new Replay({ ...one, events: wanted }, "shadow");
    other.to(wanted.length);
    assert.equal(other.size, 1);
});

test("with H the replay is of the G-stage", () => {
    const [one] = read("t", trace(8, "hext")).traces;
    assert.deepEqual(stagesOf(one), ["G"]);
    const replay = new Replay(one, "G");
    replay.to(8);
    assert.deepEqual([...replay.latest().tables[0].entries.keys()],
        [320, 321, 322, 323, 324, 325, 326, 327]);
});

test("an exit lasts until its vcpu goes on, unless events were lost", () => {
    const event = (name, time, vcpu) => ({ n: 1, time, hart: 0, vcpu, event: name });
    const [one] = read("t", text(head, event("enter", 1, 0), event("exit", 10, 0),
        event("exit", 12, 1), event("enter", 30, 0), { dropped: 1 }, event("enter", 40, 1)))
        .traces;
    assert.deepEqual(one.events.map((e) => [e.event, e.lasted]),
        [["exit", 20], ["exit", undefined], ["drop", undefined]]);
});

test("the timeline filters, but never hides lost events", () => {
    const [one] = read("t", trace()).traces;
    assert.deepEqual(vcpusOf(one), [0, 1]);
    const events = filtered(one, new Set(["exit", "fault"]), 1);
    assert.ok(events.every((e) => e.event === "drop" || e.vcpu === 1));
    assert.ok(!events.some((e) => e.event === "exit"));
    assert.equal(events.filter((e) => e.event === "drop").length, 1);
    assert.equal(one.lost, 17);
});

test("events are counted by column, none twice, none lost", () => {
    const events = Array.from({ length: 1000 }, (_, n) => ({ time: n * n }));
    for (const n of [1, 7, 640])
        assert.equal(bins(events, [0, 999 * 999], n).reduce((a, b) => a + b), 1000);
    assert.equal(firstFrom(events, 10), 4);
    assert.equal(firstFrom(events, 16), 4);
});

test("lost events lie between their neighbours, also at the beginning", () => {
    const event = (time) => ({ n: 1, time, hart: 0, vcpu: 0, event: "fence" });
    const [one] = read("t", text(head, { dropped: 4 }, event(50), { dropped: 5 }, event(90)))
        .traces;
    assert.deepEqual(one.events.map((e) => [e.event, e.time, e.until]),
        [["drop", 50, 50], ["fence", 50, undefined], ["drop", 50, 90],
            ["fence", 90, undefined]]);
});

test("places where events were lost are made one where they meet", () => {
    assert.deepEqual(union([[1, 3], [2, 9], [4, 5], [9.5, 12], [20, 21]]), [[1, 12], [20, 21]]);
    assert.deepEqual(union([]), []);
});

test("what Gnomon recorded is read, and its walks end where it says", () => {
    const folder = new URL("recorded/", import.meta.url);
    let walks = 0, events = 0;
    for (const name of readdirSync(folder)) {
        const found = read(name, readFileSync(new URL(name, folder), "utf8"));
        assert.deepEqual(found.notes, []);
        for (const { about, steps } of found.walks.map(makeWalk)) {
            walks++;
            assert.equal(steps.at(-1).fault, !about.works);
            if (!about.works)
                continue;
            assert.equal(steps.at(-1).to, address(about.hpa));
            assert.equal(steps.findLast((s) => s.stage === "VS").to, address(about.gpa));
        }
        for (const trace of found.traces) {
            events += trace.events.length;
            for (const stage of stagesOf(trace))
                assert.ok(new Replay(trace, stage).history().every((size) => size >= 0));
        }
    }
    assert.ok(walks > 5 && events > 500);
});

test("the recorded start of a Linux builds the shadow from its root down", () => {
    const [one] = read("r", readFileSync(new URL("recorded/linux-depriv.jsonl", import.meta.url),
        "utf8")).traces;
    const replay = new Replay(one, "shadow");
    replay.to(4);
    assert.deepEqual(replay.latest().tables.map((t) => [t.level, t.base]),
        [[4, null], [3, null], [2, null], [1, null]]);
    replay.to(replay.changes.length);
    const { satp } = one.events.findLast((e) => e.event === "satp");
    const top = (address(satp) & 0xfff_ffff_ffffn) << 12n;
    assert.ok(replay.latest().tables.some((t) => t.level === 3 && t.base === top));
    const fills = replay.changes.filter((e) => e.event === "fill").length;
    assert.ok(replay.size > 50 && replay.size <= fills);
});

test("sizes, times, addresses", () => {
    assert.equal(size(1n << 30n), "1 GiB");
    assert.equal(size(65536n), "64 KiB");
    assert.equal(duration(12_500, 10_000_000), "1.25 ms");
    assert.equal(duration(25_000_000, 10_000_000), "2.5 s");
    assert.equal(address("0xffffffffffffffff"), 2n ** 64n - 1n);
    assert.throws(() => address("80"), /no address/);
    assert.throws(() => address(5), /no address/);
});

test("several walks and a trace may be in one file", () => {
    const { walks, traces, notes } = read("f", WALKS + trace());
    assert.deepEqual([walks.length, traces.length, notes.length], [9, 1, 0]);
});

test("an answer may be spread over lines", () => {
    assert.equal(read("f", JSON.stringify(answer(), null, 2)).walks.length, 1);
});

test("a last line that is cut off is left out, and said", () => {
    const { traces, notes } = read("f", trace().slice(0, -20));
    assert.equal(traces.length, 1);
    assert.match(notes[0], /cut off/);
});

const without = (change) => {
    const bad = answer();
    change(bad);
    return text(bad);
};
const WRONG = [
    ["", /f is empty/],
    ["\n\n", /f is empty/],
    ["hello\n", /f: no JSON/],
    ["\x7fELF\0\0", /f: no JSON/],
    ["42\n", /neither a trace/],
    ["null\n", /neither a trace/],
    ["{\"a\":1}\n", /neither a trace/],
    ["{\"traceEvents\":[]}\n", /ui\.perfetto\.dev/],
    [text(head, { n: 1 }), /line 2: neither/],
    [text({ ...head, gnomon_trace: 2 }), /format 2/],
    [text({ ...head, timebase: 0 }), /timebase/],
    [text({ event: "exit", time: 1 }), /before a trace's first line/],
    [text(head, { event: 7, time: 1 }), /line 2: an event whose kind/],
    [text(head, { event: "exit" }), /line 2: an event without a time/],
    [text(head, { event: "fill", time: 1, level: 9 }), /line 2: an event with a level/],
    [text(head, { event: "fill", time: 1, at: "12" }), /line 2: "12" is no address/],
    [text(head, { dropped: "many" }), /line 2: a lost-events line/],
    [`${text(head)}{oops\n${text(head)}`, /line 2 is no JSON/],
    [text({ ok: false, error: "no VM \"b\"" }), /the monitor said: no VM "b"/],
    [text({ ok: true, result: null }), /not of `xlate`/],
    [without((b) => { b.about.vs_mode = "sv32"; }), /unknown modes: sv32/],
    [without((b) => { b.about.gva = "7"; }), /"7" is no address/],
    [without((b) => { b.about.gva = null; }), /says no gva/],
    [without((b) => { b.result[2].stage = "S"; }), /reference 3 belongs to neither/],
    [without((b) => { b.result[0].level = 7; }), /reference 1 has a level that/],
    [without((b) => { b.result[0].level = 3; }), /reference 1 has a level that/],
    [without((b) => { b.about.vs_mode = "bare"; }), /reference 4 has a level that/],
    [without((b) => { b.about.vs_mode = "toString"; }), /unknown modes: toString/],
    [without((b) => { b.about.bytes = 0.5; }), /a page of 0.5 bytes/],
    [without((b) => { b.result[0].index = 5000; }), /reference 1 has no index/],
    [without((b) => { b.result[1] = null; }), /reference 2 belongs to neither/],
    [without((b) => { b.result[0].entry = null; }), /reference 1 lacks/],
];

test("a wrong file gets one sentence that says what is wrong", () => {
    for (const [bad, why] of WRONG)
        assert.throws(() => read("f", bad), (error) => {
            assert.match(error.message, why);
            assert.ok(!error.message.includes("\n"));
            return true;
        }, JSON.stringify(bad).slice(0, 80));
});

test("a million events are read in seconds", () => {
    const lines = [JSON.stringify(head)];
    for (let n = 0; n < 300_000; n++)
        lines.push(`{"n":${n},"time":${n * 3},"hart":0,"vcpu":0,"event":"exit","cause":8}`);
    const begun = performance.now();
    assert.equal(read("big", lines.join("\n")).traces[0].events.length, 300_000);
    assert.ok(performance.now() - begun < 10_000);
});

test("no module of the explorer makes markup of what a file says, or asks the network", () => {
    for (const name of ["dom", "main", "reader", "view_grid", "view_trees", "view_step",
        "view_cost", "view_shadow", "view_timeline", "walk", "tree"])
        assert.doesNotMatch(readFileSync(new URL(`../../tools/explorer/${name}.js`,
            import.meta.url), "utf8"), /innerHTML|insertAdjacentHTML|fetch\(|XMLHttp|eval\(/);
});

// The explorer as a reader has it: the one file, in headless Chromium, without a network.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { test } from "./harness.mjs";
import { WALKS, answer, text, trace } from "./samples.mjs";

const BROWSERS = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"];
const RECORDED = new URL("recorded/", import.meta.url);

const VIEWS = ["walk", "cost", "shadow", "timeline"];
const LETTERS_LEAST = 9;
const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 900 };

let playwright, browser, shots, url;

async function launch() {
    const executablePath = process.env.CHROMIUM ?? BROWSERS.find(existsSync);
    assert.ok(executablePath, "no Chromium: make setup-explorer");
    return playwright.chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

const file = (name, content) => ({ name, mimeType: "application/json",
    buffer: Buffer.from(content) });

/** As `tools/gnomon explore` does it. */
const EMBED = "import sys, pathlib; from launcher.explore import embed;" +
    "print(embed(pathlib.Path(sys.argv[1]).read_text(), '<b>\"', sys.stdin.read().splitlines()))";
const TOOLS = fileURLToPath(new URL("../../tools", import.meta.url));

/** A fresh page; act works on `p`. Errors, warnings and any request at all fail the test. */
async function withPage(how, act) {
    browser ??= await launch();
    const context = await browser.newContext({ viewport: DESKTOP, ...how });
    const p = await context.newPage();
    const wrong = [];
    p.setDefaultTimeout(10_000);
    p.on("pageerror", (error) => wrong.push(error.stack));
    p.on("console", (said) => ["error", "warning"].includes(said.type()) &&
        wrong.push(said.text()));
    p.on("request", (request) => /^(https?|ws)/.test(request.url()) && wrong.push(request.url()));
    await p.goto(how?.url ?? url);
    await act(p);
    await context.close();
    assert.deepEqual(wrong, []);
}

const openText = async (p, name, content) => {
    await p.setInputFiles("#file", [file(name, content)]);
    await p.waitForFunction((n) => document.getElementById("message").textContent.includes(n),
        name);
};

const said = (p, selector) => p.locator(selector).innerText();

const shot = (p, name) => p.screenshot({ path: `${shots}/${name}.png`, fullPage: true });

async function checkNoSideScroll(p, where) {
    const [wide, room] = await p.evaluate(() =>
        [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(wide <= room, `${where}: ${wide} pixels wide, ${room} are there`);
}

/** What stands in pictures is no smaller than this, however narrow the screen. */
async function checkLettering(p, where) {
    const least = await p.evaluate(() => Math.min(...[...document.querySelectorAll(
        ".grid text, .tree text")].map((t) => parseFloat(getComputedStyle(t).fontSize) *
        t.getScreenCTM().a)));
    assert.ok(least >= LETTERS_LEAST, `${where}: letters of ${least} pixels`);
}

/** How many steps the buttons lead through, and whether each has its sentence. */
async function stepThrough(p) {
    let n = 0;
    await p.keyboard.press("Home");
    for (;;) {
        const before = await said(p, "#progress");
        await p.keyboard.press("ArrowRight");
        if (await said(p, "#progress") === before)
            return n;
        n++;
        const expected = new RegExp(`^(✗ )?Step ${n} of \\d+: (VS|G)-stage, level \\d`);
        assert.match(await said(p, "#detail h3"), expected);
        assert.equal(await p.locator(".cell.now:not(.result)").getAttribute("data-step"), `${n}`);
        assert.ok((await said(p, "#detail .sentence")).length > 20);
    }
}

function walkTests() {
    test("page: walks of 15, 24 and 35 steps are stepped through", () => withPage({}, async (p) => {
        await openText(p, "walks.json", WALKS);
        for (const [n, steps] of [15, 24, 35, 17, 15, 12, 3].entries()) {
            await p.selectOption("#which-walk", `${n}`);
            assert.equal(await stepThrough(p), steps, `walk ${n}`);
        }
    }));

    test("page: a step shows table, index, addresses and bits", () => withPage({}, async (p) => {
        await openText(p, "walk.json", text(answer()));
        for (let n = 0; n < 4; n++)
            await p.getByRole("button", { name: /a step on/ }).click();
        const shown = await said(p, "#detail");
        for (const part of ["VS-stage, level 2", "gpa 0x80202000", "index\n28", "0x730001abc",
            "0x802020e0", "0x2802020e0", "gpa 0x80201000, a table"])
            assert.ok(shown.includes(part), `${part} in ${shown}`);
        await p.keyboard.press("End");
        assert.deepEqual(await p.locator("#detail .bits .set b").allTextContents(),
            [..."DAUXWRV"]);
        assert.match(await said(p, "#about"), /hpa 0x288345abc.*page of 4 KiB/);
        assert.equal(await p.locator(".cell.result.now").count(), 1);
        await p.keyboard.press("ArrowLeft");
        assert.equal(await p.locator(".cell.result.now").count(), 0);
    }));

    test("page: play goes on by itself, pause holds it", () => withPage({}, async (p) => {
        await openText(p, "walk.json", text(answer()));
        await p.keyboard.press("Space");
        await p.waitForFunction(() => document.getElementById("progress").textContent
            .startsWith("Step 2"));
        await p.getByRole("button", { name: "❚❚ Pause" }).click();
        const held = await said(p, "#progress");
        await p.waitForTimeout(1200);
        assert.equal(await said(p, "#progress"), held);
    }));

    test("page: a fault is marked, by sign and word", () => withPage({}, async (p) => {
        await openText(p, "fault.json", text(answer({ fault: "g" })));
        await p.keyboard.press("End");
        assert.match(await said(p, "#detail h3"), /^✗ Step 15/);
        assert.match(await said(p, "#detail"), /isn't valid\. The G-stage has nothing there yet/);
        assert.match(await said(p, "#about"), /cause\n21 \(load guest page fault\)/);
        assert.match((await p.locator("#which-walk option").allTextContents()).join(), / ✗$/);
        assert.ok((await p.locator(".cell.failed").allTextContents()).join().includes("✗"));
    }));

    test("page: trees stand side by side, the walk's lines marked", () => withPage({}, async (p) => {
        await openText(p, "walks.json", WALKS);
        const boxes = await Promise.all([".tree.vs", ".tree.g"].map((s) =>
            p.locator(s).boundingBox()));
        assert.ok(boxes[1].x >= boxes[0].x + boxes[0].width);
        assert.ok(Math.abs(boxes[1].y - boxes[0].y) < 2);
        await p.keyboard.press("End");
        assert.equal(await p.locator(".tree .now").count(), 1);
        assert.ok(await p.locator(".tree.vs .past").count() >= 3);
        assert.match((await p.locator(".tree.vs text").allTextContents()).join(),
            /root 0x80202000,\[28\] → 0x80201000/);
    }));

    test("page: a click on the picture or the list goes to that step", () => withPage({},
        async (p) => {
            await openText(p, "walk.json", text(answer()));
            await p.locator("[data-step='9']").click();
            assert.match(await said(p, "#detail h3"), /Step 9 /);
            await p.locator("summary").click();
            await p.locator("#list button", { hasText: /^5$/ }).click();
            assert.match(await said(p, "#detail h3"), /Step 5 /);
            assert.equal(await p.evaluate(() => document.activeElement.textContent), "5");
        }));
}

function costTests() {
    test("page: costs of each pair of sizes, the current one marked", () => withPage({},
        async (p) => {
            await openText(p, "walks.json", WALKS);
            await p.selectOption("#which-walk", "3");
            await p.locator("#tab-cost").click();
            assert.equal(await said(p, "[data-modes='sv57/sv39x4'] .here"), "▶ 17");
            const first = (modes) => p.locator(`[data-modes='${modes}'] tbody td`).first()
                .innerText();
            assert.deepEqual([await first("sv39/sv39x4"), await first("sv48/sv48x4"),
                await first("sv57/sv57x4")], ["15", "24", "35"]);
            assert.match(await said(p, ".costs .sentence"), /took 17 references, marked/);
            await p.selectOption(".costs select >> nth=0", "sv48");
            assert.equal(await first("sv48/sv39x4"), "19");
        }));
}

function traceTests() {
    test("page: the shadow is built entry by entry", () => withPage({}, async (p) => {
        await openText(p, "trace.jsonl", trace());
        await p.locator("#tab-shadow").click();
        const entries = async () => Number((await said(p, "#shadow-view .sentence"))
            .match(/Entries now: (\d+)/)[1]);
        assert.equal(await entries(), 0);
        for (const n of [1, 2, 3]) {
            await p.keyboard.press("ArrowRight");
            assert.equal(await entries(), n);
            assert.equal(await p.locator(".mirror .newest").count(), 1);
        }
        assert.equal(await p.locator(".mirror svg > g").count(), 3);
        await p.keyboard.press("End");
        assert.equal(await entries(), 1);
        await p.keyboard.press("ArrowLeft");
        assert.equal(await entries(), 115);
        await p.locator("#shadow-view input").fill("43");
        assert.equal(await entries(), 39);
        await p.getByRole("button", { name: "▶ Play" }).click();
        await p.waitForFunction(() => /^4[6-9] of/.test(document.querySelector(
            "#shadow-view .sentence").textContent));
    }));

    test("page: a trace without fills says how to get some", () => withPage({}, async (p) => {
        await openText(p, "idle.jsonl", trace(0, "hext"));
        await p.locator("#tab-shadow").click();
        assert.match(await said(p, "#shadow-view"), /Let it work meanwhile, or reset it/);
    }));

    test("page: the timeline filters, zooms and shows what was lost", () => withPage({},
        async (p) => {
            await openText(p, "trace.jsonl", trace());
            const line = () => said(p, "#timeline-view .sentence:not(.warning)");
            assert.match(await said(p, "#timeline-view .warning"), /17 events .* lost/);
            assert.match(await said(p, "#message"), /: 0 walks, 375 events\./);
            const total = Number((await line()).match(/of (\d+)/)[1]);
            await p.getByLabel(/^\s*exit/).uncheck();
            assert.equal(Number((await line()).match(/of (\d+)/)[1]), total - 120);
            await p.locator("#timeline-view select").selectOption("1");
            assert.ok(Number((await line()).match(/of (\d+)/)[1]) < total / 2);
            await p.locator("canvas").focus();
            await p.keyboard.press("End");
            assert.match(await line(), /evict/);
            await p.keyboard.press("Home");
            await p.keyboard.press("ArrowRight");
            assert.match(await line(), /^Line 2 /);
            const before = await p.locator("canvas").screenshot();
            for (let n = 0; n < 4; n++)
                await p.keyboard.press("+");
            assert.notDeepEqual(await p.locator("canvas").screenshot(), before);
            await p.getByRole("button", { name: "show all of it" }).click();
            assert.deepEqual(await p.locator("canvas").screenshot(), before);
            const lost = p.locator("tr.drop");
            for (let n = 0; n < 200 && !await lost.count(); n++)
                await p.keyboard.press("ArrowRight");
            assert.match(await lost.first().innerText(), /17 events lost/);
        }));

    test("page: a click into the timeline picks the event there, the wheel zooms", () => withPage(
        {}, async (p) => {
            await openText(p, "trace.jsonl", trace());
            const box = await p.locator("canvas").boundingBox();
            await p.mouse.click(box.x + box.width - 8, box.y + 24 + 15);
            const line = await said(p, "#timeline-view .sentence:not(.warning)");
            assert.match(line, /: exit after/);
            const before = await p.locator("canvas").screenshot();
            await p.mouse.wheel(0, -400);
            await p.waitForTimeout(200);
            assert.notDeepEqual(await p.locator("canvas").screenshot(), before);
        }));
}

function fileTests() {
    test("page: a wrong file is refused in words, and what was open stays", () => withPage({},
        async (p) => {
            await openText(p, "walk.json", text(answer()));
            for (const [name, content, why] of [["note.txt", "hello", /no JSON/],
                ["perfetto.json", "{\"traceEvents\":[]}", /ui\.perfetto\.dev/],
                ["empty.json", "", /is empty/]]) {
                await openText(p, name, content);
                assert.match(await said(p, "#message .error"), why);
                assert.equal(await p.locator("#walk-body").isVisible(), true);
            }
        }));

    test("page: files are dropped onto it", () => withPage({}, async (p) => {
        const data = await p.evaluateHandle((content) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([content], "dropped.json"));
            return transfer;
        }, text(answer()));
        await p.dispatchEvent("body", "drop", { dataTransfer: data });
        await p.waitForFunction(() => /dropped\.json/.test(document.getElementById("message")
            .textContent));
        assert.equal(await p.locator("#walk-body").isVisible(), true);
    }));

    test("page: data in the page is shown at once, and what it says stays text", async () => {
        const evil = answer({ fault: "g" });
        evil.about.why = "</script><img src=x onerror=alert(1)><b>bold</b>";
        const at = `${shots}/embedded.html`;
        writeFileSync(at, execFileSync("python3", ["-c", EMBED, fileURLToPath(url)],
            { input: text(evil), cwd: TOOLS }));
        await withPage({ url: pathToFileURL(at).href }, async (p) => {
            assert.equal(await p.locator("#walk-body").isVisible(), true);
            assert.match(await said(p, "#about"), /<b>bold<\/b>/);
            assert.equal(await p.locator("img").count(), 0);
        });
    });

    test("page: an example of each pair of sizes is to be had without a file", () => withPage({},
        async (p) => {
            for (const [n, steps] of [15, 24, 35].entries()) {
                await p.locator("#tab-walk").click();
                if (n === 0)
                    await p.getByRole("button", { name: "Sv39 over Sv39x4" }).click();
                else {
                    await p.locator("#tab-cost").click();
                    await p.locator("[data-modes]").nth(n).getByRole("button").first().click();
                }
                assert.equal(await stepThrough(p), steps);
            }
            await p.locator("#tab-cost").click();
            await p.locator("[data-modes='sv39/sv39x4']").getByRole("button").nth(4).click();
            assert.equal(await stepThrough(p), 8);
            assert.match(await said(p, "#about"), /page of 2 MiB/);
            assert.equal(await p.locator("#which-walk option").count(), 4);
        }));

    test("page: without a file each view says what to do", () => withPage({}, async (p) => {
        for (const view of ["walk", "shadow", "timeline"]) {
            await p.locator(`#tab-${view}`).click();
            assert.match(await said(p, `#view-${view} .empty`), /drop here/);
        }
    }));

    test("page: the views are reached by keys alone", () => withPage({}, async (p) => {
        await p.keyboard.press("Tab");
        await p.keyboard.press("Tab");
        await p.keyboard.press("ArrowRight");
        assert.equal(await p.locator("#view-cost").isVisible(), true);
        assert.equal(await p.locator("#tab-cost").getAttribute("aria-selected"), "true");
        await p.locator("#cost-body").click({ position: { x: 5, y: 5 } });
        await p.keyboard.press("4");
        assert.equal(await p.locator("#view-timeline").isVisible(), true);
    }));
}

const LOOKS = {
    phone: { viewport: PHONE, hasTouch: true, deviceScaleFactor: 2 },
    "phone-dark": { viewport: PHONE, colorScheme: "dark", deviceScaleFactor: 2 },
    tablet: { viewport: { width: 800, height: 1100 } },
    desktop: { viewport: DESKTOP },
    "desktop-dark": { viewport: DESKTOP, colorScheme: "dark" },
};

function lookTests() {
    for (const [name, how] of Object.entries(LOOKS))
        test(`page: ${name}: nothing is wider than the screen`, () => withPage(how, async (p) => {
            await openText(p, "all.jsonl", WALKS + trace());
            for (const [walk, steps] of [[0, 8], [2, 20], [4, 15]]) {
                await p.selectOption("#which-walk", `${walk}`);
                for (let n = 0; n < steps; n++)
                    await p.keyboard.press("ArrowRight");
                await p.evaluate(() => Promise.all(document.getAnimations()
                    .map((moving) => moving.finished)));
                await checkNoSideScroll(p, `walk ${walk}`);
                await checkLettering(p, `walk ${walk}`);
                await shot(p, `${name}-walk-${walk}`);
            }
            await p.locator("summary").click();
            await checkNoSideScroll(p, "list");
            for (const view of ["cost", "shadow", "timeline"]) {
                await p.locator(`#tab-${view}`).click();
                if (view === "shadow")
                    await p.locator("#shadow-view input").fill("110");
                await checkNoSideScroll(p, view);
                await shot(p, `${name}-${view}`);
            }
        }));

    test("page: nothing moves by itself where the reader wants it so", () => withPage(
        { reducedMotion: "reduce" }, async (p) => {
            await openText(p, "walk.json", text(answer()));
            await p.keyboard.press("ArrowRight");
            assert.equal(await p.evaluate(() => document.getAnimations().length), 0);
        }));
}

/** Files that Gnomon recorded. */
function recordedTests() {
    for (const name of existsSync(RECORDED) ? readdirSync(RECORDED).sort() : [])
        test(`page: recorded ${name} opens, and all its walks can be stepped through`, () =>
            withPage({}, async (p) => {
                await openText(p, name, readFileSync(new URL(name, RECORDED), "utf8"));
                assert.equal(await p.locator("#message .error").count(), 0);
                const walks = await p.locator("#which-walk option").count();
                for (let n = 0; n < walks; n++) {
                    await p.selectOption("#which-walk", `${n}`);
                    const cells = await p.locator(".cell:not(.result)").count();
                    assert.equal(await stepThrough(p), cells);
                }
                for (const [n, view] of VIEWS.entries()) {
                    await p.locator(`#tab-${view}`).click();
                    assert.equal(await p.locator(`#view-${view}`).isVisible(), true);
                    if (view !== "timeline")
                        await p.keyboard.press("End");
                    await shot(p, `recorded-${name}-${n}`);
                }
            }));
}

/** Add the tests of the page in `path`; returns what is to be done after them. */
export function add(path, modules, to) {
    playwright = createRequire(import.meta.url)(resolve(modules, "playwright-core"));
    url = pathToFileURL(resolve(path)).href;
    shots = resolve(to);
    mkdirSync(shots, { recursive: true });
    walkTests();
    costTests();
    traceTests();
    fileTests();
    lookTests();
    recordedTests();
    return async () => browser?.close();
}

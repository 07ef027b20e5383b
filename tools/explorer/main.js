// The explorer: opens files, keeps what was chosen, draws the view in front.
// Read next: reader.js (files), walk.js (steps), view_*.js (pictures).

import { el, options } from "./dom.js";
import { example } from "./example.js";
import { count } from "./numbers.js";
import { modeName } from "./paging.js";
import { read } from "./reader.js";
import { ShadowView } from "./view_shadow.js";
import { drawCost } from "./view_cost.js";
import { drawGrid } from "./view_grid.js";
import { drawAbout, drawList, drawStep } from "./view_step.js";
import { drawTrees } from "./view_trees.js";
import { TimelineView } from "./view_timeline.js";
import { makeWalk } from "./walk.js";

const STEP_MS = 900;
const VIEWS = ["walk", "cost", "shadow", "timeline"];

const state = { walks: [], traces: [], walk: 0, step: 0, trace: 0, view: "walk", pair: null,
    timer: null, shadow: null, timeline: null };

const $ = (id) => document.getElementById(id);

const walk = () => state.walks[state.walk];

// --- playing: one button row, for walks and for the shadow ---

function stop() {
    clearInterval(state.timer);
    state.timer = null;
    for (const button of document.querySelectorAll("[data-play]")) {
        button.textContent = "▶ Play";
        button.setAttribute("aria-pressed", "false");
    }
}

/** advance() goes one step on and says whether there is another. */
function play(button, advance, every) {
    if (state.timer)
        return stop();
    button.textContent = "❚❚ Pause";
    button.setAttribute("aria-pressed", "true");
    state.timer = setInterval(() => advance() || stop(), every);
    return undefined;
}

/** The row of buttons over something with .n of .total, or a function that says both. */
function player(where, go, every) {
    const move = (to) => { stop(); go(to()); };
    const button = (text, label, act) => el("button", { "aria-label": label, title: label,
        onclick: act }, text);
    const advance = () => {
        if (where.n < where.total)
            go(where.n + 1);
        return where.n < where.total;
    };
    const playing = el("button", { "data-play": true, "aria-pressed": "false", onclick: () => {
        if (!state.timer && where.n >= where.total)
            go(0);
        play(playing, advance, every());
    } }, "▶ Play");
    return el("div", { class: "bar player" },
        button("|◀", "to the beginning (Home)", () => move(() => 0)),
        button("◀ Back", "a step back (left arrow)", () => move(() => where.n - 1)),
        playing,
        button("Step ▶", "a step on (right arrow)", () => move(() => where.n + 1)),
        button("▶|", "to the end (End)", () => move(() => where.total)));
}

// --- walks ---

const walkPlace = { get n() { return state.step; }, get total() { return walk().steps.length; } };

function chooseStep(n) {
    state.step = Math.max(0, Math.min(walk().steps.length, n));
    drawWalk();
}

function clickStep(n) {
    stop();
    chooseStep(n);
}

function chooseWalk(n) {
    stop();
    state.walk = n;
    state.step = 0;
    state.pair = null;
    draw();
}

/** The only picture whose lettering depends on the room that it has. */
function drawBothTrees() {
    const across = matchMedia("(max-width: 800px)").matches ? 1 : 2;
    $("trees").replaceChildren(...drawTrees(state.walks, walk(), state.step, clickStep,
        $("trees").clientWidth / across - 40));
}

function drawWalk() {
    const now = walk();
    const at = state.step;
    $("progress").textContent = `Step ${at} of ${count(now.steps.length, "reference")}`;
    $("grid").replaceChildren(drawGrid(now, at, clickStep));
    $("detail").replaceChildren(drawStep(now, at));
    $("about").replaceChildren(drawAbout(now));
    drawBothTrees();
    const focused = document.activeElement?.closest("#list") !== null;
    $("list").replaceChildren(drawList(now, at, clickStep));
    if (focused && at)
        $("list").querySelectorAll("button")[at - 1].focus();
}

// --- views ---

function drawViewWalk() {
    const has = state.walks.length > 0;
    $("walk-body").hidden = !has;
    $("walk-none").hidden = has;
    if (!has)
        return;
    options($("which-walk"), state.walks.map((w) => w.name), state.walk);
    drawWalk();
}

function drawViewCost() {
    const now = walk();
    state.pair ??= now ? [now.about.vs_mode, now.about.g_mode] : ["sv39", "sv39x4"];
    $("cost-body").replaceChildren(drawCost(now, state.pair, (pair) => {
        state.pair = pair;
        drawViewCost();
    }, showExample));
}

/** Beside what is open; one that is there already is shown again. */
function showExample(how) {
    const made = example(how);
    const at = state.walks.findIndex((w) => w.name === made.name);
    if (at < 0)
        state.walks.push({ ...makeWalk(made), name: made.name });
    chooseWalk(at < 0 ? state.walks.length - 1 : at);
    show("walk");
}

/** What both views of traces have: which trace; the view is made anew where that changes. */
function drawTraceView(name, View, mount) {
    const trace = state.traces[state.trace];
    $(`${name}-none`).hidden = Boolean(trace);
    $(`${name}-body`).hidden = !trace;
    if (!trace)
        return;
    options($(`${name}-trace`), state.traces.map(({ header, told }) =>
        [header.vm, header.backend, header.policy].filter(Boolean).join(", ") + ": " +
        count(told, "event")), state.trace);
    if (state[name]?.trace === trace)
        return;
    state[name] = new View(trace);
    mount(state[name], $(`${name}-view`));
}

const DRAW = {
    walk: drawViewWalk,
    cost: drawViewCost,
    shadow: () => drawTraceView("shadow", ShadowView, (view, root) =>
        view.mount(root, (where, go) => player(where, go, () =>
            Math.max(30, Math.min(400, 20000 / view.total))))),
    timeline: () => drawTraceView("timeline", TimelineView, (view, root) => view.mount(root)),
};

function draw() {
    for (const view of VIEWS) {
        const front = view === state.view;
        $(`view-${view}`).hidden = !front;
        $(`tab-${view}`).setAttribute("aria-selected", front);
        $(`tab-${view}`).tabIndex = front ? 0 : -1;
    }
    DRAW[state.view]();
}

function show(view) {
    stop();
    state.view = view;
    draw();
}

// --- files ---

function say(text, kind) {
    $("message").replaceChildren(...(text ? [el("p", { class: kind }, text)] : []));
}

/** Take in a text; what was open before goes, when all of the new files are good. */
function take(files) {
    const found = { walks: [], traces: [], notes: [] };
    for (const [name, text] of files) {
        const { walks, traces, notes } = read(name, text);
        found.walks.push(...walks.map(makeWalk));
        found.traces.push(...traces);
        found.notes.push(...notes);
    }
    stop();
    Object.assign(state, { walks: found.walks, traces: found.traces, walk: 0, step: 0, trace: 0,
        pair: null, shadow: null, timeline: null });
    const events = found.traces.reduce((sum, t) => sum + t.told, 0);
    say([`Opened ${files.map(([name]) => name).join(", ")}: ` +
        `${count(found.walks.length, "walk")}, ${count(events, "event")}.`,
        ...found.notes].join(" "), found.notes.length ? "warning" : "note");
    show(found.walks.length ? "walk" : "timeline");
}

async function open(list) {
    if (!list.length)
        return;
    try {
        take(await Promise.all([...list].map(async (file) => [file.name, await file.text()])));
    } catch (error) {
        say(`✗ ${error.message}`, "error");
    }
}

// --- the outside: keys, mouse, data in the page ---

function viewKeys(event) {
    const now = walk();
    const acts = now && { ArrowRight: state.step + 1, ArrowLeft: state.step - 1, Home: 0,
        End: now.steps.length };
    if (state.view === "walk" && acts && event.key in acts)
        clickStep(acts[event.key]);
    else if (state.view === "shadow" && state.shadow?.total)
        return shadowKeys(event);
    else if (state.view === "timeline" && state.timeline)
        return state.timeline.key(event);
    else
        return false;
    return true;
}

function shadowKeys(event) {
    const { n, total } = state.shadow;
    const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: total }[event.key];
    if (to === undefined)
        return false;
    stop();
    state.shadow.move(to);
    state.shadow.refresh();
    return true;
}

/** A slider has arrow keys of its own, a check box the space bar, but none of them digits. */
const hasOwn = ({ target, key }) => target.matches("select") ||
    target.matches("input, [role=tab]") && !/^[1-4o]$/.test(key);

function key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || hasOwn(event))
        return;
    const number = VIEWS[Number(event.key) - 1];
    const handled = viewKeys(event) || (number && (show(number), true)) ||
        (event.key === " " && !event.target.matches("button, summary") && togglePlay()) ||
        (event.key === "o" && ($("file").click(), true));
    if (handled)
        event.preventDefault();
}

function togglePlay() {
    document.querySelector(`#view-${state.view} [data-play]`)?.click();
    return true;
}

/** Who came by the mouse goes on with the view: arrow keys are its, not the tabs'. */
function clickTab(event, view) {
    show(view);
    if (event.detail > 0)
        event.currentTarget.blur();
}

function tabKey(event) {
    const by = { ArrowRight: 1, ArrowLeft: VIEWS.length - 1 }[event.key];
    if (!by)
        return;
    show(VIEWS[(VIEWS.indexOf(state.view) + by) % VIEWS.length]);
    $(`tab-${state.view}`).focus();
    event.preventDefault();
}

function start() {
    $("file").addEventListener("change", (event) => open(event.target.files));
    for (const view of VIEWS) {
        $(`tab-${view}`).addEventListener("click", (event) => clickTab(event, view));
        $(`tab-${view}`).addEventListener("keydown", tabKey);
    }
    $("which-walk").addEventListener("change", (event) => chooseWalk(Number(event.target.value)));
    for (const name of ["shadow", "timeline"])
        $(`${name}-trace`).addEventListener("change", (event) => {
            stop();
            state.trace = Number(event.target.value);
            draw();
        });
    for (const [vs, g] of [["sv39", "sv39x4"], ["sv48", "sv48x4"], ["sv57", "sv57x4"]])
        $("walk-examples").append(el("button", { onclick: () => showExample({ vs, vsLeaf: 0, g,
            gLeaf: 0 }) }, `${modeName(vs)} over ${modeName(g)}`), " ");
    $("player").replaceWith(player(walkPlace, chooseStep, () => STEP_MS));
    document.addEventListener("keydown", key);
    addEventListener("resize", () => state.view === "walk" && walk() && drawBothTrees());
    document.addEventListener("dragover", (event) => {
        event.preventDefault();
        document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
    document.addEventListener("drop", (event) => {
        event.preventDefault();
        document.body.classList.remove("dropping");
        open(event.dataTransfer.files);
    });
    draw();
    const data = $("data").textContent.trim();
    if (data)
        try {
            take([[$("data").dataset.name || "the data in this page", data]]);
        } catch (error) {
            say(`✗ ${error.message}`, "error");
        }
}

start();

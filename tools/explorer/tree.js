// The two radix trees, as far as walks have shown them.

import { address } from "./numbers.js";

/** The key of a table: the same frame can be a table of two levels. */
const key = (level, at) => `${level}:${at}`;

function tableOf(tables, level, at) {
    const id = key(level, at);
    if (!tables.has(id))
        tables.set(id, { level, at, entries: new Map() });
    return tables.get(id);
}

/** All tables of one stage that these walks read, and which of them are roots. */
function gather(walks, stage) {
    const tables = new Map(), roots = new Set();
    for (const walk of walks)
        for (const step of walk.steps.filter((s) => s.stage === stage)) {
            const top = stage === "G" ? walk.gLevels - 1 : walk.vsLevels - 1;
            const table = tableOf(tables, step.level, step.table);
            table.entries.set(step.index, step);
            if (step.level === top)
                roots.add(table);
        }
    return { tables, roots };
}

/**
 * One stage's tree as lines, top down: { depth, table, step }. `table` is the table that the line
 * is about, null for a page or nothing; `step` a reference that leads there, null for a root.
 * A table that is reached again is shown once: a guest's tables may form a loop.
 */
export function treeLines(walks, stage) {
    const { tables, roots } = gather(walks, stage);
    const lines = [], shown = new Set();
    function show(table, depth, step) {
        const again = table && shown.has(table);
        lines.push({ depth, table, step, again });
        if (!table || again)
            return;
        shown.add(table);
        for (const [, entry] of [...table.entries].sort(([a], [b]) => a - b))
            show(entry.entry.kind === "table"
                ? tables.get(key(entry.level - 1, entry.to)) ?? null : null, depth + 1, entry);
    }
    for (const root of roots)
        show(root, 0, null);
    return lines;
}

/** The walks whose trees belong together: of one VM and, for the VS-stage, one satp. */
export function related(walks, walk, stage) {
    return walks.filter(({ about }) => about.vm === walk.about.vm &&
        about.g_mode === walk.about.g_mode &&
        (stage === "G" || address(about.satp) === address(walk.about.satp) &&
            about.vs_mode === walk.about.vs_mode));
}

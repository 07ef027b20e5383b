// What is in a table that a trace tells of, at each moment: the shadow, which mirrors the guest's
// own tables, or the G-stage. Fills put entries there; syncs take back those that the guest has
// changed; a page that is no table any more, or an eviction, takes all that its mirror has.

import { address } from "./numbers.js";
import { span } from "./paging.js";

/** Events that change a table, by stage. */
const CHANGES = {
    shadow: new Set(["fill", "sync", "unshadow", "evict"]),
    G: new Set(["fill"]),
};

const belongs = (event, stage) => CHANGES[stage].has(event.event) &&
    (event.event !== "fill" || (event.stage ?? "shadow") === stage);

export const changes = (trace, stage) => trace.events.filter((e) => belongs(e, stage));

/** The tables that a trace tells of: with H there is no shadow. */
export const stagesOf = (trace) => Object.keys(CHANGES).filter((stage) =>
    trace.events.some((e) => e.event === "fill" && belongs(e, stage)));

const PAGE = 4095n;

/**
 * A table that can be moved to any moment of a trace.
 * .n: how many changes are in it; .tables: Map of { id, level, at, base, entries, newest }, where
 * `at` is the first address that it was seen to translate, `base` the guest's table that it
 * mirrors, and `entries` a Map from index to { index, event, n }.
 */
export class Replay {
    constructor(trace, stage) {
        this.stage = stage;
        this.changes = changes(trace, stage);
        this.reset();
    }

    reset() {
        this.n = 0;
        this.tables = new Map();
        this.size = 0;
    }

    /** To just after change n; 0 is before the first one. */
    to(n) {
        if (n < this.n)
            this.reset();
        while (this.n < n) {
            const event = this.changes[this.n];
            this.n++;
            ({ fill: () => this.fill(event), sync: () => this.sync(event),
                unshadow: () => this.unshadow(event), evict: () => this.evict(event),
            })[event.event]();
        }
    }

    fill(event) {
        const at = address(this.stage === "G" ? event.gpa : event.at);
        if (at === null)
            return;
        const level = event.level ?? 0;
        const first = at & ~(span(level + 1) - 1n);
        const table = this.table(level, address(event.table), first);
        this.put(table, Number((at - first) / span(level)), event);
    }

    table(level, base, at) {
        const id = base === null ? `at:${level}:${at}` : `${level}:${base}`;
        if (!this.tables.has(id))
            this.tables.set(id, { id, level, at, base, entries: new Map(), newest: 0 });
        return this.tables.get(id);
    }

    put(table, index, event) {
        this.size += table.entries.has(index) ? 0 : 1;
        table.entries.set(index, { index, event, n: this.n });
        table.newest = this.n;
    }

    drop(table) {
        this.size -= table.entries.size;
        this.tables.delete(table.id);
    }

    /** The guest's entry at gpa has changed, and the shadow's is taken back; or it stays. */
    sync(event) {
        const gpa = address(event.gpa);
        if (gpa === null || event.why === "same")
            return;
        const table = this.tables.get(`${event.level ?? 0}:${gpa & ~PAGE}`);
        if (table?.entries.delete(Number((gpa & PAGE) / 8n))) {
            this.size--;
            table.newest = this.n;
        }
    }

    /** Where a store lifts the protection the mirror stays. */
    unshadow(event) {
        const gpa = address(event.gpa);
        if (event.why !== "stored")
            for (const table of [...this.tables.values()].filter((t) => t.base === gpa))
                this.drop(table);
    }

    evict(event) {
        const table = this.tables.get(`${event.level ?? 0}:${address(event.gpa)}`);
        if (table)
            this.drop(table);
    }

    /** How many entries there were after each change. */
    history() {
        const other = Object.assign(Object.create(Replay.prototype), this);
        other.reset();
        return this.changes.map((_, n) => {
            other.to(n + 1);
            return other.size;
        });
    }

    /**
     * The `most` tables that changed last, in an order that stays while entries come and go; and
     * how many more there are.
     */
    latest(most = Infinity) {
        const all = [...this.tables.values()].filter((t) => t.entries.size)
            .sort((a, b) => b.newest - a.newest);
        return {
            tables: all.slice(0, most).sort((a, b) => b.level - a.level || order(a.at, b.at) ||
                order(a.base ?? 0n, b.base ?? 0n)),
            more: Math.max(0, all.length - most),
        };
    }
}

const order = (a, b) => a < b ? -1 : a > b ? 1 : 0;
